# recipe: Release the held mail of one domain and see a message arrive
# group: lab
# danger: high what is delivered now is on new only
# undo: holds again
# param: hold the flag file that mail-hold made
# param: domain the mail domain
# param: address an address in the domain for test messages
# param: box the mailbox of that address
# needs: mailq sendmail
# shellcheck shell=sh disable=SC2154

queued() {
    waiting=$(mailq) || {
        echo "the mail server does not show its queue" >&2
        return 2
    }
    printf '%s\n' "$waiting" | grep -c "@$domain\$" || :
}

# How many messages to the address were held so far, as the log says.
noted() {
    grep -F -e "to=<$address>" logs/mail.log 2> /dev/null | grep -c "status=hold"
}

# Whether a test message is held: the mail server says so, and it stays in the queue.
kept() {
    held=$(noted) tries=0
    printf 'Subject: held?\n\nA test of the cutover.\n' | sendmail -f "$address" "$address" || return 2
    while [ "$(noted)" -le "$held" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 30 ] || return 1
        sleep 0.1
    done
    mailq | grep -q " $address\$"
}

probe() {
    [ ! -e "$hold" ]
}

capture() {
    n=$(queued) || return
    echo "held=$n"
}

apply() {
    rm -f "$hold" || return
    tries=0
    while n=$(queued) || return; [ "$n" != 0 ]; do
        tries=$((tries + 1))
        [ "$tries" -le 150 ] || return 1
        sleep 0.2
    done
    echo "${captured_held:-all} held messages are delivered"
}

verify() {
    token="release-$$-$(date +%s)"
    printf 'Subject: %s\n\nA test of the cutover.\n' "$token" | sendmail -f "$address" "$address" || return 2
    tries=0
    until grep -q "$token" "$box" 2> /dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "a test message did not arrive within 30 s"
            return 1
        fi
        sleep 0.2
    done
    echo "a test message arrived in its mailbox"
}

undo() {
    mkdir -p "$(dirname "$hold")" && echo "held for the cutover" > "$hold"
}

verify_undo() {
    kept && echo "a test message stays in the queue again"
}
