# recipe: Stop Mailman; what its senders hand in waits in the mail server's queue
# group: mail
# danger: high nothing is sent to lists until it runs again, here or on the other host
# undo: starts it again, if it ran
# param: config its configuration file (default /etc/mailman3/mailman.cfg)
# param: port the port on this host on which it takes mail (LMTP)
# param: queues the folder of its queues (default /var/lib/mailman3/queue)
# param: patience for how many seconds nothing may leave its queues before it is stopped all the same (default: 20)
# param: account the account it runs as (default list)
# needs: find mailman setpriv ss
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

manager() {
    account=${account:-list}
    (
        cd / || exit
        HOME=/ exec setpriv --reuid="$account" --regid="$(id -gn -- "$account")" --init-groups -- \
            mailman -C "${config:-/etc/mailman3/mailman.cfg}" "$@" < /dev/null
    )
}

takes_mail() {
    # 0 something does, 1 nothing does, 2 it cannot be told.
    heard=$(ss -Hlnt "sport = :$port") || {
        echo "who listens on port $port cannot be told: ss ends with $?"
        return 2
    }
    [ -n "$heard" ]
}

running() {
    # The master, and its runners: who is about to end still has mail in its hands. The brackets keep grep from finding itself.
    grep -qE '[m]ailman[^ ]*/bin/(master|runner)' /proc/[0-9]*/cmdline 2> /dev/null
}

waited() {
    tries=0
    while :; do
        "$@"
        status=$?
        [ "$status" = 1 ] && [ "$tries" -lt 600 ] || return "$status"
        tries=$((tries + 1))
        sleep 0.2
    done
}

gone() {
    # 0 it is, 1 it is not, 2 it cannot be told.
    ! running || return 1
    takes_mail
    case $? in 0) return 1 ;; 1) return 0 ;; *) return 2 ;; esac
}

runners() {
    # The names of the runners that run, a line each.
    cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' '\n' | sed -n 's/^--runner=\([a-z]*\):.*/\1/p'
}

in_hand() {
    # How many messages lie in the queues of runners that run. What a retry waits for is in nobody's hands.
    names=$(runners | tr '\n' ' ')
    for queue in "${queues:-/var/lib/mailman3/queue}"/*/; do
        name=${queue%/}
        name=${name##*/}
        case " $names" in *" $name "*) [ "$name" = retry ] || find "$queue" -name '*.pck' -o -name '*.bak' ;; esac
    done | wc -l | tr -d ' '
}

handled() {
    # A runner that is ended with a message in its hands sets it aside, and nobody gets it: first no more come in, then those
    # that are there go their way.
    taking=$(grep -lE '[-]-runner=lmtp:' /proc/[0-9]*/cmdline 2> /dev/null | head -n 1)
    taking=${taking#/proc/}
    [ -z "$taking" ] || kill "${taking%/*}" 2> /dev/null || return 0
    left=$(in_hand) since=$(date +%s)
    while [ "$left" != 0 ] && [ $(($(date +%s) - since)) -lt "${patience:-20}" ]; do
        sleep 0.2
        now=$(in_hand)
        [ "$now" -ge "$left" ] || since=$(date +%s)
        left=$now
    done
}

probe() {
    gone
}

capture() {
    gone
    case $? in
        0) echo "ran=0" ;;
        1) echo "ran=1" ;;
        *) return 2 ;;
    esac
}

apply() {
    gone
    case $? in
        0) echo "Mailman is stopped" && return ;;
        1) ;;
        *) return 2 ;;
    esac
    handled
    manager stop > /dev/null
    waited gone || { echo "Mailman does not end" && return 1; }
    echo "Mailman is stopped, with ${left:-0} messages in its queues"
}

verify() {
    if running; then echo "Mailman still runs" && return 1; fi
    takes_mail
    case $? in
        0) echo "something takes mail on port $port" && return 1 ;;
        1) ;;
        *) return 2 ;;
    esac
    echo "nothing takes mail on port $port, and no runner is there"
}

undo() {
    [ "${captured_ran-1}" = 1 ] || return 0
    # One that is about to end, or takes no more, is not one that runs.
    if ! takes_mail; then
        ! running || manager stop > /dev/null 2>&1
        waited gone && manager start --force > /dev/null 2>&1
    fi
    waited takes_mail || { echo "Mailman does not take mail" && return 1; }
    echo "Mailman takes mail again"
}

verify_undo() {
    [ "${captured_ran-1}" = 1 ] || return 0
    takes_mail && echo "Mailman takes mail on port $port" && return
    echo "nothing takes mail on port $port"
    return 1
}
