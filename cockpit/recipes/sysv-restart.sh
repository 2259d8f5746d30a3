# recipe: Restart a service of System V init that runs, and see that it runs anew
# group: services
# danger: high what it serves is down for a moment
# undo: starts it where a restart has left it stopped; what it held in memory is gone
# param: name the service, as in /etc/init.d
# param: process the name of its process: those of before must be gone then, and another one be there
# param: test shell text that checks its configuration before, such as `nginx -t` (optional)
# param: newer files, one a line: it is already so once its processes were started after each of them was changed (optional; it is restarted each time without)
# param: port a TCP port on which it must listen then (optional)
# param: within seconds to wait for that, default 30
# needs: service ss getconf
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

sane() {
    case $name in
        "" | -* | .* | *[!A-Za-z0-9_.+-]*) echo "this is no name of a service"; return 1 ;;
    esac
    case ${port-}${within-} in
        *[!0-9]*) echo "a port and seconds are whole numbers"; return 1 ;;
    esac
    if [ ! -x "/etc/init.d/$name" ]; then
        echo "there is no /etc/init.d/$name"
        return 1
    fi
    case $process in
        "" | *"
"*) echo "this is no name of a process"; return 1 ;;
    esac
    printf '%s\n' "${newer-}" | {
        while IFS= read -r file; do
            [ -z "$file" ] || [ -f "$file" ] || { echo "there is no file $file" && exit 1; }
        done
    }
}

running() {
    # By its own answer: 0 it runs, 1 it does not, 2 it does not say. A daemon would keep an output open.
    service "$name" status > /dev/null 2>&1 < /dev/null
    case $? in
        0) return 0 ;;
        1 | 2 | 3) return 1 ;;
        *) return 2 ;;
    esac
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

began() {
    # When process $1 began, in the kernel's ticks: its number alone may be given to another one later.
    sed 's/^.*) //' "/proc/$1/stat" 2> /dev/null | cut -d ' ' -f 20
}

processes() {
    # Each process of its name as PID.TICKS.
    short=$(printf %.15s "$process")
    for place in /proc/[0-9]*; do
        if { IFS= read -r comm < "$place/comm"; } 2> /dev/null && [ "$comm" = "$short" ]; then
            ticks=$(began "${place#/proc/}")
            [ -z "$ticks" ] || printf '%s.%s ' "${place#/proc/}" "$ticks"
        fi
    done
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
    [ -n "${newer-}" ] || return
    changed=$(newest) all=$(processes)
    [ -n "$changed" ] && [ -n "$all" ] || return
    for one in $all; do
        at=$(begun "${one%.*}")
        [ -n "$at" ] && [ "$changed" -lt "$at" ] || return
    done
}

probe() {
    sane && ears || return 2
    running
    case $? in
        1) return 1 ;;
        2)
            echo "$name does not say whether it runs"
            return 2
            ;;
    esac
    fresh
}

capture() {
    sane && ears || return
    running || {
        echo "$name does not run: what does not run is not restarted"
        return 1
    }
    there=$(processes)
    [ -n "$there" ] || {
        echo "$name runs, but no process $process is there"
        return 1
    }
    printf 'processes=%s\n' "$there"
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
    service "$name" restart > /dev/null 2>&1 < /dev/null || {
        echo "$name does not start again: status $?"
        return 1
    }
    echo "$name is restarted"
}

there() {
    running && [ -n "$(processes)" ] && { [ -z "${port-}" ] || [ -n "$(listener)" ]; }
}

up() {
    # Says what is not so.
    tries=0
    until there; do
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-30} * 5)) ]; then
            if running; then
                echo "$name says that it runs, but ${port:+port $port is not open or }no process $process is there"
            else
                echo "$name does not run"
            fi
            return 1
        fi
        sleep 0.2
    done
}

verify() {
    sane && ears || return 2
    up || return
    now=$(processes)
    for one in ${captured_processes-}; do
        case " $now" in
            *" $one "*)
                echo "process ${one%.*} of before runs on: $name was not restarted"
                return 1
                ;;
        esac
    done
    if [ -n "${newer-}" ] && ! fresh; then
        echo "$name runs, but was started before a file changed that it reads"
        return 1
    fi
    echo "$name runs anew${port:+ and listens on port $port}"
}

undo() {
    sane || return
    if ! running; then
        service "$name" start > /dev/null 2>&1 < /dev/null || {
            echo "$name does not start: status $?"
            return 1
        }
    fi
    echo "$name runs"
}

verify_undo() {
    sane || return 2
    up && echo "$name runs${port:+ and listens on port $port}"
}
