# recipe: Stop a program that supervisor runs
# group: services
# danger: high what the program does stops; supervisor itself starts it again when it is started anew
# undo: starts it again, if it ran
# param: name the program, or GROUP:PROGRAM
# param: config supervisor's configuration; default is where supervisorctl looks for it
# param: port a TCP port that must be closed then (optional)
# needs: supervisorctl ss
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
}

control() {
    supervisorctl ${config:+-c "$config"} "$@"
}

look() {
    said=$(control status "$name" 2>&1 | tail -n 1)
    state=$(printf '%s\n' "$said" | awk '{ print $2 }')
    pid=$(printf '%s\n' "$said" | sed -n 's/^.* pid \([0-9]*\),.*$/\1/p')
}

up() {
    case $state in RUNNING | STARTING) ;; *) return 1 ;; esac
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

capture() {
    sane && ears || return
    printf 'state=%s\npid=%s\n' "$state" "$pid"
}

down() {
    case $state in STOPPED | EXITED | FATAL) ;; *) return 1 ;; esac
}

probe() {
    sane && ears || return 2
    down
}

apply() {
    sane && ears || return
    if ! down; then
        said=$(control stop "$name" 2>&1) || {
            echo "$name is not stopped: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    echo "$name is stopped"
}

verify() {
    # The process itself is gone.
    sane && ears || return 2
    if up; then
        echo "$name is $state"
        return 1
    fi
    if [ -n "${captured_pid-}" ] && [ -e "/proc/$captured_pid/cwd" ]; then
        echo "process $captured_pid of $name is still there"
        return 1
    fi
    if [ -n "${port-}" ]; then
        heard=$(listener) || return 2
        [ -z "$heard" ] || {
            echo "$name is stopped, but something listens on port $port"
            return 1
        }
    fi
    echo "$name is $state${captured_pid:+, process $captured_pid is gone}"
}

undo() {
    sane || return
    case ${captured_state-} in
        RUNNING | STARTING)
            if ! up; then
                said=$(control start "$name" 2>&1) || {
                    echo "$name does not start: $(printf '%s\n' "$said" | tail -n 1)"
                    return 1
                }
            fi
            ;;
    esac
    echo "$name is as before"
}

verify_undo() {
    sane || return 2
    case ${captured_state-} in
        RUNNING | STARTING)
            if ! up || [ ! -e "/proc/$pid/cwd" ]; then
                echo "$name is $state"
                return 1
            fi
            ;;
    esac
    echo "$name is $state, as before"
}
