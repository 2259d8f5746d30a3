# recipe: Start a program that supervisor runs, and see that it stays up
# group: services
# danger: high what the program does begins here
# undo: stops it again, if it was stopped
# param: name the program, or GROUP:PROGRAM
# param: config supervisor's configuration; default is where supervisorctl looks for it
# param: port a TCP port on which it must listen then (optional)
# param: within seconds to wait for that, default 30
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

probe() {
    sane && ears || return 2
    [ "$state" = RUNNING ]
}

apply() {
    sane && ears || return
    if ! up; then
        said=$(control start "$name" 2>&1) || {
            echo "$name does not start: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    echo "$name is started"
}

verify() {
    # The process itself is there, is still there after a moment, and listens.
    sane && ears || return 2
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
    echo "$name runs as process $pid${port:+, and something listens on port $port}"
}

undo() {
    sane || return
    case ${captured_state-} in
        RUNNING | STARTING | BACKOFF) ;;
        *)
            case $state in
                STOPPED | EXITED | FATAL) ;;
                *)
                    said=$(control stop "$name" 2>&1) || {
                        echo "$name is not stopped: $(printf '%s\n' "$said" | tail -n 1)"
                        return 1
                    }
                    ;;
            esac
            ;;
    esac
    echo "$name is as before"
}

verify_undo() {
    sane || return 2
    case ${captured_state-} in
        RUNNING | STARTING | BACKOFF) ;;
        *)
            if up; then
                echo "$name is $state"
                return 1
            fi
            ;;
    esac
    echo "$name is $state"
}
