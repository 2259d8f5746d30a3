# recipe: Stop Mailman; what its senders hand in waits in the mail server's queue
# group: mail
# danger: high nothing is sent to lists until it runs again, here or on the other host
# undo: starts it again, if it ran
# param: config its configuration file (default /etc/mailman3/mailman.cfg)
# param: port the port on this host on which it takes mail (LMTP)
# param: account the account it runs as (default list)
# needs: mailman setpriv ss
# shellcheck shell=sh disable=SC2154

manager() {
    account=${account:-list}
    (
        cd / || exit
        HOME=/ exec setpriv --reuid="$account" --regid="$(id -gn -- "$account")" --init-groups -- \
            mailman -C "${config:-/etc/mailman3/mailman.cfg}" "$@" < /dev/null
    )
}

takes_mail() {
    [ -n "$(ss -Hlnt "sport = :$port")" ]
}

running() {
    # The master, and its runners: who is about to end still has mail in its hands.
    for state in /proc/[0-9]*/cmdline; do
        case $(tr '\0' ' ' 2> /dev/null < "$state") in *mailman*/bin/master\ * | *mailman*/bin/runner\ *) return ;; esac
    done 2> /dev/null
    return 1
}

waited() {
    tries=0
    while ! "$@"; do
        tries=$((tries + 1))
        [ "$tries" -le 600 ] || return
        sleep 0.2
    done
}

gone() {
    ! running && ! takes_mail
}

probe() {
    gone
}

capture() {
    if gone; then echo "ran=0"; else echo "ran=1"; fi
}

apply() {
    if gone; then echo "Mailman is stopped" && return; fi
    manager stop > /dev/null
    waited gone || { echo "Mailman does not end" && return 1; }
    echo "Mailman is stopped"
}

verify() {
    if running; then echo "Mailman still runs" && return 1; fi
    if takes_mail; then echo "something takes mail on port $port" && return 1; fi
    echo "nothing takes mail on port $port, and no runner is there"
}

undo() {
    [ "${captured_ran-1}" = 1 ] || return 0
    # One that is about to end is not one that runs.
    takes_mail || { waited gone && manager start --force > /dev/null 2>&1; }
    waited takes_mail || { echo "Mailman does not take mail" && return 1; }
    echo "Mailman takes mail again"
}

verify_undo() {
    [ "${captured_ran-1}" = 1 ] || return 0
    takes_mail && echo "Mailman takes mail on port $port" && return
    echo "nothing takes mail on port $port"
    return 1
}
