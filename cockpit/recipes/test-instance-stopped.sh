# recipe: See that a test instance is not running: no process, no unit, no port of it
# group: services
# danger: none
# undo: nothing to take back: it only looked
# param: process an extended regular expression that is found in the command line of the test instance (optional)
# param: port a TCP or UDP port on which the test instance would listen (optional)
# param: unit a systemd unit of the test instance (optional)
# needs: ss grep
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

probe() {
    # It could be started at any time: looked at anew each time.
    return 1
}

capture() {
    echo "looked=1"
}

sane() {
    if [ -z "${process-}${port-}${unit-}" ]; then
        echo "nothing to look for: a process, a port or a unit"
        return 1
    fi
    case ${port-} in
        *[!0-9]*) echo "this is no port"; return 1 ;;
    esac
    case ${unit-} in
        -* | *[!A-Za-z0-9:_.\\@-]*) echo "this is no name of a unit"; return 1 ;;
    esac
    if [ -n "${process-}" ]; then
        printf '' | grep -qE -e "$process" 2> /dev/null
        if [ $? -gt 1 ]; then
            echo "this is no regular expression: $process"
            return 1
        fi
    fi
}

seen() {
    # Says the first trace of it.
    if [ -n "${process-}" ]; then
        for file in /proc/[0-9]*/cmdline; do
            pid=${file#/proc/} pid=${pid%/cmdline}
            [ "$pid" != $$ ] || continue
            words=$(tr '\000' ' ' < "$file" 2> /dev/null) || continue
            if [ -n "$words" ] && printf '%s\n' "$words" | grep -qE -e "$process"; then
                # Not this look itself, nor what it is started by.
                case $words in *grep*-e* | *cockpit-job*) continue ;; esac
                echo "process $pid is running: $words"
                return 1
            fi
        done
    fi
    if [ -n "${port-}" ]; then
        heard=$(ss -Hlntu "sport = :$port") || {
            echo "who listens on port $port cannot be told: ss ends with $?"
            return 2
        }
        [ -z "$heard" ] || {
            echo "something listens on port $port"
            return 1
        }
    fi
    if [ -n "${unit-}" ]; then
        case $(systemctl is-active -- "$unit" 2> /dev/null) in
            active | activating | reloading | deactivating)
                echo "$unit is running"
                return 1
                ;;
            "")
                echo "systemd does not answer"
                return 2
                ;;
        esac
    fi
}

apply() {
    sane || return
    seen || return 1
    echo "the test instance is stopped"
}

verify() {
    sane || return 2
    seen || return
    echo "the test instance is stopped: ${process:+no process, }${unit:+no unit, }${port:+nothing on port $port, }looked at just now"
}

undo() {
    # It only looked.
    return 0
}

verify_undo() {
    return 0
}
