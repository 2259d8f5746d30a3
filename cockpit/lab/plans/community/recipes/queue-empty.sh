# recipe: See that nothing for a domain is left in the queue of this host
# group: lab
# danger: none
# undo: nothing to take back: it only waited
# param: domain the domain
# param: within seconds to wait for it (default 60)
# needs: mailq
# shellcheck shell=sh disable=SC2154

left() {
    waiting=$(mailq) || {
        echo "the mail server does not show its queue" >&2
        return 2
    }
    printf '%s\n' "$waiting" | grep -c "@$domain\$" || :
}

waited() {
    tries=0
    until n=$(left) || return 2; [ "$n" = 0 ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-60} * 5)) ]; then
            echo "$n messages for $domain are still here"
            return 1
        fi
        sleep 0.2
    done
    echo "nothing for $domain is left in the queue"
}

probe() {
    return 1
}

apply() {
    waited
}

verify() {
    waited
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
