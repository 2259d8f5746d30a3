# recipe: Start Mailman and see it take mail
# group: mail
# danger: high what is sent to lists from now on is sent by this host
# undo: stops it again, if it did not run
# param: config its configuration file (default /etc/mailman3/mailman.cfg)
# param: port the port on this host on which it takes mail (LMTP)
# param: account the account it runs as (default list)
# needs: curl mailman setpriv ss
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

probe() {
    takes_mail
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
    takes_mail
    case $? in
        0) echo "Mailman takes mail" && return ;;
        1) ;;
        *) return 2 ;;
    esac
    waited gone && manager start --force > /dev/null 2>&1
    waited takes_mail || { echo "Mailman does not take mail on port $port" && return 1; }
    echo "Mailman takes mail on port $port"
}

verify() {
    # By its protocol, not by its processes.
    said=$(printf 'LHLO cutover\r\nQUIT\r\n' | curl -sS -m 10 "telnet://127.0.0.1:$port" 2>&1)
    case $said in
        *"250"*) echo "Mailman greets on port $port and takes mail" ;;
        *)
            echo "Mailman on port $port says: $(printf '%s\n' "$said" | head -n 1)"
            return 1
            ;;
    esac
}

undo() {
    [ "${captured_ran-0}" = 0 ] || return 0
    gone || manager stop > /dev/null
    waited gone || { echo "Mailman does not end" && return 1; }
    echo "Mailman is stopped again"
}

verify_undo() {
    [ "${captured_ran-0}" = 0 ] || return 0
    gone && echo "nothing takes mail on port $port" && return
    echo "Mailman still runs"
    return 1
}
