# recipe: Announce the end in the service, wait until nobody is connected to it or the time is up, then stop it
# group: services
# danger: high the service stops; who is still connected when the time is up is dropped
# undo: starts the service again
# param: port the TCP port of the service
# param: stop shell text that stops the service
# param: start shell text that starts it again, for the undo
# param: announce shell text that tells those who are connected, with $sessions and $within (optional)
# param: within seconds to wait for them, default 600
# param: drop `no` leaves the service running when somebody is still connected then; default is to stop it
# needs: ss
# shellcheck shell=sh disable=SC2154,SC2030,SC2031

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

sane() {
    case $port in
        "" | *[!0-9]*) echo "this is no port"; return 1 ;;
    esac
    case ${within:-600} in
        *[!0-9]*) echo "the seconds to wait are a whole number"; return 1 ;;
    esac
}

ears() {
    # A port whose listeners cannot be seen is not one that nobody listens on.
    [ -z "${port-}" ] || ss -Hlnt "sport = :$port" > /dev/null || {
        echo "who listens on port $port cannot be told: ss ends with $?"
        return 1
    }
}

count() {
    connected=$(ss -Hnt state established "( sport = :$port )") || {
        echo "who is connected to port $port cannot be told: ss ends with $?" >&2
        return 2
    }
    printf '%s\n' "$connected" | grep -c . || :
}

listener() {
    ss -Hlnt "sport = :$port"
}

asked() {
    # A text of several lines stops at its first error. A daemon that it starts would keep an output open.
    sh -ec "
$1" > /dev/null 2>&1 < /dev/null
}

probe() {
    sane && ears || return 2
    heard=$(listener) && sessions=$(count) || return 2
    [ -z "$heard" ] && [ "$sessions" = 0 ]
}

capture() {
    sane && ears || return
    heard=$(listener) && sessions=$(count) || return
    if [ -n "$heard" ]; then echo "listening=1"; else echo "listening=0"; fi
    echo "sessions=$sessions"
}

apply() {
    sane && ears || return
    sessions=$(count) || return
    if [ -n "${announce-}" ] && [ "$sessions" != 0 ]; then
        (within=${within:-600} && export within sessions && asked "$announce") || {
            echo "the announcement failed, the service runs on: status $?"
            return 1
        }
    fi
    end=$(($(date +%s) + ${within:-600})) before=
    while [ "$sessions" != 0 ]; do
        if [ "$sessions" != "$before" ]; then echo "$sessions connected"; fi
        before=$sessions
        if [ "$(date +%s)" -ge "$end" ]; then
            if [ "${drop-}" = no ]; then
                echo "$sessions are still connected, the service runs on"
                return 1
            fi
            break
        fi
        sleep 0.2
        sessions=$(count) || return
    done
    heard=$(listener) || return
    if [ -n "$heard" ]; then
        asked "$stop" || {
            echo "the service does not stop: status $?"
            return 1
        }
    fi
    echo "the service is stopped, $sessions were dropped"
}

verify() {
    tries=0
    while :; do
        probe
        status=$?
        case $status in 0) break ;; 1) ;; *) return "$status" ;; esac
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ]; then
            echo "port $port is still open, $sessions connected"
            return 1
        fi
        sleep 0.2
    done
    echo "nothing listens on port $port, nobody is connected"
}

undo() {
    sane || return
    if [ "${captured_listening:-1}" = 1 ] && [ -z "$(listener)" ]; then
        asked "$start" || {
            echo "the service does not start: status $?"
            return 1
        }
        listens || return
    fi
    echo "the service is started"
}

listens() {
    tries=0
    while [ -z "$(listener)" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "nothing listens on port $port"
            return 1
        fi
        sleep 0.2
    done
}

verify_undo() {
    sane || return 2
    [ "${captured_listening:-1}" = 1 ] || return 0
    listens && echo "the service listens on port $port again"
}
