# recipe: See that the web server and the mail server of this host answer for the names and addresses that will be theirs
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: web a URL of this host
# param: names names that it is asked for, with spaces between
# param: mail addresses that the mail server must know, with spaces between
# needs: curl sendmail
# shellcheck shell=sh disable=SC2154

probe() {
    return 1
}

looked() {
    number=0
    for name in $names; do
        curl -q -sS -f -m 5 --noproxy '*' -o /dev/null -H "Host: $name" "$web" || {
            echo "$name is not answered here"
            return 1
        }
        number=$((number + 1))
    done
    for address in $mail; do
        way=$(sendmail -bv "$address") || {
            echo "the mail server does not know $address: $way"
            return 1
        }
        number=$((number + 1))
    done
    echo "$number of $number services answer"
}

apply() {
    looked
}

verify() {
    looked
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
