# recipe: Relay the mail of one domain to another host
# group: lab
# danger: low mail of the domain is delivered elsewhere
# undo: restores the target, or removes it
# param: redirect the file that names the target; mail is relayed while it is there
# param: target where mail goes, address:port
# param: address an address in the domain for test messages
# param: box the mailbox of that address on this host
# needs: mailq sendmail
# shellcheck shell=sh disable=SC2154

probe() {
    [ -f "$redirect" ] && [ "$(cat "$redirect")" = "$target" ]
}

capture() {
    if [ -f "$redirect" ]; then printf 'target=%s\n' "$(head -n 1 "$redirect")"; else echo "target="; fi
}

apply() {
    mkdir -p "$(dirname "$redirect")" || return
    printf '%s\n' "$target" > "$redirect.new" && mv "$redirect.new" "$redirect" && echo "mail goes to $target from here"
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

sent() {
    # Sends a test message and waits until this host's queue has got rid of it.
    printf 'Subject: %s\n\nA test of the cutover.\n' "$1" | sendmail -f "$address" "$address" || return 2
    tries=0
    while stuck; do
        tries=$((tries + 1))
        [ "$tries" -le 150 ] || told_why || return
        sleep 0.2
    done
}

verify() {
    token="redirect-$$-$(date +%s)"
    sent "$token" || return
    if grep -q "$token" "$box" 2> /dev/null; then
        echo "a test message was delivered here instead"
        return 1
    fi
    echo "a test message left this host"
}

undo() {
    rm -f "$redirect.new"
    if [ -n "${captured_target-}" ]; then
        printf '%s\n' "$captured_target" > "$redirect.new" && mv "$redirect.new" "$redirect"
    else
        rm -f "$redirect"
    fi
}

verify_undo() {
    [ -z "${captured_target-}" ] || probe || return 0
    token="back-$$-$(date +%s)"
    sent "$token" || return
    grep -q "$token" "$box" 2> /dev/null && echo "a test message is delivered here again"
}
