# recipe: Send the mail of one address elsewhere by this host's virtusertable; on two hosts, the receiver first
# group: lab
# danger: low mail of the address is delivered elsewhere
# undo: restores the line that was there
# param: address the address, as senders write it
# param: target a user of this host, or an address elsewhere
# param: says what the mail server says afterwards of the way that mail for the address takes
# needs: awk flock sendmail
# shellcheck shell=sh disable=SC2154

table=etc/mail/virtusertable

entry() {
    ADDRESS=$address awk '$1 == ENVIRON["ADDRESS"] { print $2 }' < "$table"
}

put() {
    ADDRESS=$address TARGET=$1 awk '
        function line() { if (ENVIRON["TARGET"] != "" && !there++) printf "%s\t%s\n", ENVIRON["ADDRESS"], ENVIRON["TARGET"] }
        $1 == ENVIRON["ADDRESS"] { line(); next }
        { print }
        END { line() }' < "$table" > "$table.new.$$" &&
        mv "$table.new.$$" "$table"
}

# Users move at the same time, and have one table. The lock of one that was killed is gone with it.
alone() (
    exec 9>> var/lock
    flock 9
    "$@"
)

probe() {
    [ "$(entry)" = "$target" ]
}

capture() {
    printf 'was=%s\n' "$(entry)"
}

apply() {
    alone put "$target" && echo "$address goes to $target"
}

verify() {
    # Asked is the server, which reads the table for each message.
    way=$(sendmail -bv "$address") || {
        echo "the mail server does not know $address: $way"
        return 1
    }
    case $way in
        *"$says"*) echo "the mail server says $way" ;;
        *)
            echo "the mail server says $way, not $says"
            return 1
            ;;
    esac
}

undo() {
    alone put "${captured_was-}" && echo "$address goes to ${captured_was:-nobody} again"
}

verify_undo() {
    [ "$(entry)" = "${captured_was-}" ] && sendmail -bv "$address"
}
