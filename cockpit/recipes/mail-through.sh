# recipe: Send a test message from this host; the log of the host that should get it proves the way
# group: lab
# danger: none
# undo: nothing to take back
# param: address an address in the domain for test messages
# needs: mailq sendmail
# shellcheck shell=sh disable=SC2154

probe() {
    # It is a test: it is always made anew.
    return 1
}

capture() {
    echo "token=$(date +%s)-$$"
}

apply() {
    printf 'Subject: %s\n\nA test of the cutover.\n' "$captured_token" | sendmail -f "$address" "$address" &&
        echo "a test message to $address is on its way"
}

told_why() {
    # What is to be said of a message that has not left.
    [ -z "$unseen" ] || { echo "the queue of this host cannot be seen: mailq fails" && return 2; }
    echo "a test message to $address stays in the queue of this host"
    return 1
}

stuck() {
    # Whether a message to the address waits here still; one that cannot be seen has not left.
    unseen='' waiting=$(mailq) || { unseen=1 && return; }
    printf '%s\n' "$waiting" | grep -q " $address\$"
}

verify() {
    printf 'Subject: again %s\n\nA test of the cutover.\n' "$captured_token" | sendmail -f "$address" "$address" || return 2
    tries=0
    while stuck; do
        tries=$((tries + 1))
        [ "$tries" -le 40 ] || told_why || return
        sleep 0.2
    done
    echo "nothing to $address is stuck here"
}

undo() {
    # Nothing was changed: a test message in a test mailbox is all there is.
    return 0
}
