# recipe: See that this host reaches its back ends over the private network, and over no other
# group: switch
# danger: none
# undo: nothing to take back
# param: from this host's own address on the private network
# param: paths what has to be reached, ADDRESS:PORT WHAT one a line
# needs: curl ip
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/sbin:/sbin

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

fit() {
    case $from in '' | *[!0-9.]*) refuse "the own address is no IPv4 address" ;; esac
    printf '%s\n' "$paths" | while IFS=' ' read -r place what; do
        address=${place%:*}
        port=${place##*:}
        case $address in '' | *[!0-9.]*) exit 1 ;; esac
        case $port in '' | *[!0-9]*) exit 1 ;; esac
        [ -n "$what" ] || exit 1
    done || refuse "paths are lines of ADDRESS:PORT WHAT"
}

probe() {
    # A path can go at any time: it is always looked at anew.
    fit
    return 1
}

apply() {
    fit
    echo "$(printf '%s\n' "$paths" | grep -c :) paths to look at"
}

verify() {
    fit
    printf '%s\n' "$paths" | {
        told=''
        while IFS=' ' read -r place what; do
            address=${place%:*}
            way=$(ip -o route get "$address" 2> /dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p')
            [ "$way" = "$from" ] || {
                echo "the way to $what at $place does not go out from $from but from ${way:-nowhere}"
                exit 1
            }
            # What the server says to that does not matter here, only whether somebody takes the connection.
            time=$(curl -q -s -m 3 --noproxy '*' -o /dev/null -w '%{time_connect}' "http://$place/")
            case $time in
                *[1-9]*) ;;
                *)
                    echo "$what at $place is not reached from $from"
                    exit 1
                    ;;
            esac
            told="$told${told:+, }$what"
        done
        echo "reached over the private network: $told"
    }
}

undo() {
    # It only looked.
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
