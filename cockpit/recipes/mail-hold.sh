# recipe: Hold the mail of one domain in the queue; undone, what was held goes back to the other host
# group: lab
# danger: high users of new wait for their mail until it is released
# undo: hands what was held to `back_to`, then delivers again
# param: hold the flag file; while it is there mail stays in the queue
# param: redirect the file that names where mail is relayed to, used for handing back
# param: back_to the host that gets the held mail when this is undone, address:port
# param: domain the mail domain
# param: address an address in the domain for test messages
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
    [ -e "$hold" ]
}

capture() {
    n=$(queued) || return
    echo "queued=$n"
}

apply() {
    mkdir -p "$(dirname "$hold")" || return
    echo "held for the cutover" > "$hold" && echo "mail for $domain waits in the queue"
}

verify() {
    kept
    status=$?
    case $status in
        0) echo "a test message stays in the queue" ;;
        1) echo "a test message did not stay in the queue" ;;
    esac
    return "$status"
}

undo() {
    mkdir -p "$(dirname "$redirect")" || return
    printf '%s\n' "$back_to" > "$redirect" && rm -f "$hold" || return
    tries=0
    while [ "$(queued)" != 0 ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "held for the cutover" > "$hold"
            rm -f "$redirect"
            echo "$(queued) messages could not be handed back to $back_to; they are held again"
            return 1
        fi
        sleep 0.2
    done
    rm -f "$redirect"
}

verify_undo() {
    [ ! -e "$hold" ] || return 1
    n=$(queued) || return 2
    [ "$n" = 0 ] && echo "nothing for $domain is left in the queue"
}
