# recipe: Restart a program that supervisor runs, and see that it stays up anew
# group: services
# danger: high what the program does stops for a moment
# undo: starts it where a restart has left it stopped; what it held in memory is gone
# param: name the program, or GROUP:PROGRAM
# param: config supervisor's configuration; default is where supervisorctl looks for it
# param: test shell text that checks its configuration before, such as `nginx -t` (optional)
# param: newer files, one a line: it is already so once the program was started after each of them was changed (optional; it is restarted each time without)
# param: port a TCP port on which it must listen then (optional)
# param: within seconds to wait for that, default 30
# needs: supervisorctl ss getconf
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

sane() {
    case $name in
        "" | -* | *[!A-Za-z0-9_.:+-]* | all) echo "this is no name of one program"; return 1 ;;
    esac
    case ${port-}${within-} in
        *[!0-9]*) echo "a port and seconds are whole numbers"; return 1 ;;
    esac
    look
    case $state in
        RUNNING | STARTING | BACKOFF | STOPPING | STOPPED | EXITED | FATAL) ;;
        *)
            echo "supervisor does not know it: $said"
            return 1
            ;;
    esac
    printf '%s\n' "${newer-}" | {
        while IFS= read -r file; do
            [ -z "$file" ] || [ -f "$file" ] || { echo "there is no file $file" && exit 1; }
        done
    }
}

control() {
    supervisorctl ${config:+-c "$config"} "$@"
}

look() {
    said=$(control status "$name" 2>&1 | tail -n 1)
    state=$(printf '%s\n' "$said" | awk '{ print $2 }')
    pid=$(printf '%s\n' "$said" | sed -n 's/^.* pid \([0-9]*\),.*$/\1/p')
}

began() {
    # When process $1 began, in the kernel's ticks: its number alone may be given to another one later.
    sed 's/^.*) //' "/proc/$1/stat" 2> /dev/null | cut -d ' ' -f 20
}

ears() {
    # A port whose listeners cannot be seen is not one that nobody listens on.
    [ -z "${port-}" ] || ss -Hlnt "sport = :$port" > /dev/null || {
        echo "who listens on port $port cannot be told: ss ends with $?"
        return 1
    }
}

listener() {
    ss -Hlnt "sport = :$port"
}

begun() {
    # When process $1 was started, in seconds since 1970.
    ticks=$(began "$1")
    [ -n "$ticks" ] || return
    awk -v now="$(date +%s)" -v ticks="$ticks" -v hertz="$(getconf CLK_TCK)" '{ printf "%d\n", now - $1 + ticks / hertz }' /proc/uptime
}

newest() {
    # When the last of the files was changed, in seconds since 1970.
    printf '%s\n' "$newer" | {
        last=0
        while IFS= read -r one; do
            [ -n "$one" ] || continue
            at=$(stat -c %Y -- "$one") || exit
            [ "$at" -le "$last" ] || last=$at
        done
        echo "$last"
    }
}

aged() {
    # A change and a start in the same second could not be told apart.
    [ -n "${newer-}" ] || return 0
    tries=0
    while [ "$(($(newest) + 2))" -gt "$(date +%s)" ] && [ "$tries" -lt 15 ]; do
        tries=$((tries + 1))
        sleep 0.2
    done
}

fresh() {
    [ -n "${newer-}" ] && [ "$state" = RUNNING ] && changed=$(newest) && at=$(begun "$pid") && [ "$changed" -lt "$at" ]
}

probe() {
    sane && ears || return 2
    fresh
}

capture() {
    sane && ears || return
    [ "$state" = RUNNING ] || {
        echo "$name is $state: what does not run is not restarted"
        return 1
    }
    printf 'pid=%s\nbegan=%s\n' "$pid" "$(began "$pid")"
}

apply() {
    sane && ears || return
    if [ -n "${test-}" ]; then
        said=$(sh -ec "
$test" < /dev/null 2>&1) || {
            echo "the configuration is refused, $name is not restarted: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    aged
    said=$(control restart "$name" 2>&1) || {
        echo "$name does not start again: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
    echo "$name is restarted"
}

up() {
    # The process itself is there, is still there after a moment, and listens. Says what is not so.
    tries=0
    while [ "$state" = STARTING ] || [ "$state" = BACKOFF ] || { [ "$state" = RUNNING ] && [ -n "${port-}" ] && [ -z "$(listener)" ]; }; do
        tries=$((tries + 1))
        [ "$tries" -le $((${within:-30} * 5)) ] || break
        sleep 0.2
        look
    done
    if [ "$state" != RUNNING ]; then
        echo "$said" | tr -s ' '
        return 1
    fi
    sleep 0.3
    if [ ! -e "/proc/$pid/cwd" ]; then
        echo "$name does not stay up: process $pid is gone"
        return 1
    fi
    if [ -n "${port-}" ] && [ -z "$(listener)" ]; then
        echo "$name runs, but nothing listens on port $port"
        return 1
    fi
}

verify() {
    sane && ears || return 2
    up || return
    if [ "$pid.$(began "$pid")" = "${captured_pid-}.${captured_began-}" ]; then
        echo "process $pid of $name runs on: it was not restarted"
        return 1
    fi
    if [ -n "${captured_began-}" ] && [ "$(began "$captured_pid")" = "$captured_began" ]; then
        echo "process $captured_pid of before is still there"
        return 1
    fi
    if [ -n "${newer-}" ] && ! fresh; then
        echo "$name runs, but was started before a file changed that it reads"
        return 1
    fi
    echo "$name runs anew as process $pid${port:+, and something listens on port $port}"
}

undo() {
    sane || return
    case $state in
        RUNNING | STARTING) ;;
        *)
            said=$(control start "$name" 2>&1) || {
                echo "$name does not start: $(printf '%s\n' "$said" | tail -n 1)"
                return 1
            }
            ;;
    esac
    echo "$name runs"
}

verify_undo() {
    sane || return 2
    up && echo "$name runs as process $pid"
}
