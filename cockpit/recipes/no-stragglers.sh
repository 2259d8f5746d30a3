# recipe: Empty this host's queue of a domain and see that no mail was delivered here after the redirect
# group: lab
# danger: none
# undo: nothing to take back
# param: domain the mail domain
# param: box the domain's mailbox on this host
# param: since a file made when the redirect began
# needs: mailq
# shellcheck shell=sh disable=SC2154

queued() {
    waiting=$(mailq) || {
        echo "the mail server does not show its queue" >&2
        return 2
    }
    printf '%s\n' "$waiting" | grep -c "@$domain\$" || :
}

probe() {
    # Looking is cheap and has to be done now, whatever it was before.
    return 1
}

capture() {
    n=$(queued) || return
    echo "queued=$n"
}

apply() {
    tries=0
    while n=$(queued) || return; [ "$n" != 0 ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "$n messages are stuck in the queue"
            return 1
        fi
        sleep 0.2
    done
    echo "the queue holds nothing for $domain"
}

verify() {
    [ -e "$since" ] || {
        echo "$since is gone: the redirect does not stand"
        return 1
    }
    late=$(find "$box" -newer "$since") || return 2
    n=$(queued) || return 2
    [ -z "$late" ] && [ "$n" = 0 ] && echo "no straggler in $box" && return
    echo "mail was delivered here after the redirect: $box"
    return 1
}

undo() {
    # It only looked.
    return 0
}
