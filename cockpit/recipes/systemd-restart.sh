# recipe: Restart a systemd unit that runs, and see that it runs anew
# group: services
# danger: high what the unit serves is down for a moment
# undo: starts it where a restart has left it stopped; what it held in memory is gone
# param: unit the unit, such as `nginx.service`
# param: test shell text that checks its configuration before, such as `nginx -t` (optional)
# param: newer files, one a line: it is already so once the unit was started after each of them was changed (optional; it is restarted each time without)
# param: port a TCP port on which it must listen then (optional)
# param: within seconds to wait for that, default 30
# needs: systemctl ss
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

sane() {
    case $unit in
        -* | *[!A-Za-z0-9:_.\\@-]*) echo "this is no name of a unit"; return 1 ;;
        *.*) ;;
        *) echo "the unit is named with its kind, such as NAME.service"; return 1 ;;
    esac
    case ${port-}${within-} in
        *[!0-9]*) echo "a port and seconds are whole numbers"; return 1 ;;
    esac
    case $(property LoadState) in
        loaded) ;;
        "") echo "systemd does not answer"; return 1 ;;
        not-found) echo "there is no unit $unit"; return 1 ;;
        *) echo "systemd does not take $unit: $(property LoadState), $(property LoadError)"; return 1 ;;
    esac
    printf '%s\n' "${newer-}" | {
        while IFS= read -r file; do
            [ -z "$file" ] || [ -f "$file" ] || { echo "there is no file $file" && exit 1; }
        done
    }
}

property() {
    systemctl show -p "$1" -- "$unit" 2> /dev/null | sed -n "s/^$1=//p"
}

active() {
    case $(property ActiveState) in active | reloading | activating) ;; *) return 1 ;; esac
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

since() {
    # When it was started, in seconds since 1970.
    at=$(TZ=UTC property ActiveEnterTimestamp)
    LC_ALL=C date -u -d "$at" +%s
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
    [ -n "${newer-}" ] && active && at=$(newest) && [ "$at" -lt "$(since)" ]
}

probe() {
    sane && ears || return 2
    fresh
}

capture() {
    sane && ears || return
    active || {
        echo "$unit is $(property ActiveState): what does not run is not restarted"
        return 1
    }
    printf 'run=%s\n' "$(property InvocationID)"
    printf 'main=%s\n' "$(property MainPID)"
}

tested() {
    [ -n "${test-}" ] || return 0
    said=$(sh -ec "
$test" < /dev/null 2>&1) || {
        echo "the configuration is refused, $unit is not restarted: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
}

apply() {
    sane && ears && tested || return 1
    aged
    systemctl restart -- "$unit" || {
        echo "$unit does not start again: $(property Result), status $(property ExecMainStatus)"
        return 1
    }
    echo "$unit is restarted"
}

ours() {
    # Whether one of its own processes listens.
    for pid in $(ss -Hlntp "sport = :$port" | grep -o 'pid=[0-9]*' | sed 's/pid=//' | sort -u); do
        ! grep -qF -e "/$unit" "/proc/$pid/cgroup" 2> /dev/null || return 0
    done
    return 1
}

up() {
    # Says what is not so.
    tries=0
    while [ "$(property ActiveState)" = activating ] || { [ -n "${port-}" ] && active && ! ours; }; do
        tries=$((tries + 1))
        [ "$tries" -le $((${within:-30} * 5)) ] || break
        sleep 0.2
    done
    if [ "$(property ActiveState)" != active ]; then
        echo "$unit is $(property ActiveState): $(property Result)"
        return 1
    fi
    if [ -n "${port-}" ] && ! ours; then
        echo "$unit runs, but does not listen on port $port"
        return 1
    fi
}

verify() {
    sane && ears || return 2
    up || return
    if [ "$(property InvocationID)" = "${captured_run-}" ]; then
        echo "$unit runs on and was not restarted"
        return 1
    fi
    # Not as systemd says, but what is there.
    if [ "${captured_main:-0}" != 0 ] && grep -qF -e "/$unit" "/proc/$captured_main/cgroup" 2> /dev/null; then
        echo "process $captured_main of $unit is still there"
        return 1
    fi
    if [ -n "${newer-}" ] && ! fresh; then
        echo "$unit runs, but was started before a file changed that it reads"
        return 1
    fi
    echo "$unit runs anew${port:+ and listens on port $port}"
}

undo() {
    sane || return
    if ! active; then
        systemctl start -- "$unit" || {
            echo "$unit does not start: $(property Result), status $(property ExecMainStatus)"
            return 1
        }
    fi
    echo "$unit runs"
}

verify_undo() {
    sane || return 2
    up && echo "$unit runs${port:+ and listens on port $port}"
}
