# recipe: Write to whoever owns something that we do not, and see the message delivered
# group: lab
# danger: low a message is sent to a person
# undo: cannot be: a message is not unsent
# param: address whom to write to
# param: sender who writes
# param: subject the subject
# param: text what to say
# param: box the mailbox where the message must arrive
# shellcheck shell=sh disable=SC2154

probe() {
    # A message sent before says nothing about this night.
    return 1
}

capture() {
    echo "token=$(date +%s)-$$"
}

apply() {
    printf 'From: %s\nTo: %s\nSubject: %s\nX-Cutover: %s\n\n%s\n' \
        "$sender" "$address" "$subject" "$captured_token" "$text" | sendmail -f "$sender" "$address" &&
        echo "written to $address"
}

verify() {
    tries=0
    until grep -q "X-Cutover: $captured_token" "$box" 2> /dev/null; do
        tries=$((tries + 1))
        [ "$tries" -le 40 ] || return 1
        sleep 0.2
    done
    echo "the message to $address is delivered"
}

undo() {
    echo "a message cannot be unsent: write to $address again"
    return 1
}
