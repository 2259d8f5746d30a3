# recipe: Hand a test message to another host's mail server and find it in a mailbox here
# group: mail
# danger: low a test message stays in the mailbox
# undo: cannot be: a message is not unsent
# param: address who gets it
# param: sender who sends it
# param: through host or host:port of the mail server that gets it first
# param: box the mailbox here, an mbox file or a Maildir
# needs: curl grep
# shellcheck shell=sh disable=SC2154

sane() {
    for word in "$address" "$sender"; do
        case $word in
            [@-]* | *@*@* | *@ | *[!A-Za-z0-9@._+=-]*) ;;
            *@*) continue ;;
        esac
        echo "no address: $word"
        return 2
    done
    case $through in '' | [.-]* | *[!A-Za-z0-9.:-]*) echo "no host: $through" && return 2 ;; esac
    [ -d "${box%/*}" ] && return
    echo "no mailbox: $box"
    return 2
}

probe() {
    # A message is sent anew each time.
    return 1
}

capture() {
    sane && echo "token=cockpit-$(date +%s)-$$"
}

found() {
    grep -rqF -e "X-Cockpit-Token: ${captured_token:?}" -- "$box" 2> /dev/null
}

apply() {
    sane || return
    found && echo "the test message is there already" && return
    printf 'From: <%s>\r\nTo: <%s>\r\nSubject: a test of the cutover\r\nX-Cockpit-Token: %s\r\n\r\nThis mailbox is on its new host.\r\n' \
        "$sender" "$address" "$captured_token" |
        curl -q -sS -m 30 --noproxy '*' "smtp://$through/cockpit" --mail-from "$sender" --mail-rcpt "$address" --upload-file - &&
        echo "$through took a message for $address"
}

verify() {
    sane || return 2
    [ -n "${captured_token-}" ] || {
        echo "no message was sent"
        return 1
    }
    tries=0
    until found; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "the message that $through took is not in $box"
            return 1
        fi
        sleep 0.2
    done
    echo "the message that $through took is in $box"
}

undo() {
    echo "the message stays in $box"
}
