# recipe: See that this host reaches its back ends from its own address
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: from this host's own address
# param: paths what has to be reached, URL WHAT one a line
# needs: curl
# shellcheck shell=sh disable=SC2154

probe() {
    # A path can go at any time: it is always looked at anew.
    return 1
}

apply() {
    echo "$(printf '%s\n' "$paths" | grep -c :) paths to look at"
}

verify() {
    printf '%s\n' "$paths" | {
        told=''
        while IFS=' ' read -r url what; do
            said=$(curl -q -g -sS -f -m 5 --noproxy '*' -o /dev/null --interface "$from" "$url" 2>&1) || {
                echo "$what at $url is not reached from $from: $said"
                exit 1
            }
            told="$told${told:+, }$what"
        done
        echo "reached from $from: $told"
    }
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
