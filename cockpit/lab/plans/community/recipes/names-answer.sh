# recipe: Ask each name as the world does, from a host that is neither old nor new, and see who answers
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: wanted a line for each: URL, and the host that must answer (its header X-Served-By says which)
# param: resolver the address of the resolver that looks the names up
# param: patience for how many seconds a bad answer is asked again (default 20)
# needs: curl nslookup
# shellcheck shell=sh disable=SC2154

looked() {
    number=0
    while read -r url host; do
        [ -n "$url" ] || continue
        name=${url#*://}
        name=${name%%[:/]*}
        number=$((number + 1)) tries=0
        while :; do
            address=$(nslookup -timeout=2 -type=a "$name" "$resolver" | sed -n 's/^Address: //p' | tail -n 1)
            said="it is not found"
            [ -z "$address" ] || said=$(curl -q -sS -m 5 --noproxy '*' -i --connect-to "::$address:" "$url" 2>&1 | tr -d '\r')
            by=$(printf '%s\n' "$said" | sed -n 's/^[Xx]-[Ss]erved-[Bb]y: //p')
            case $by:$said in "$host":HTTP/*" 200 "*) break ;; esac
            tries=$((tries + 1))
            if [ "$tries" -gt $((${patience:-20} * 5)) ]; then
                echo "$url at ${address:-no address} is answered by ${by:-nobody}: $(printf '%s\n' "$said" | head -n 1)"
                return 1
            fi
            sleep 0.2
        done
    done << END
$wanted
END
    echo "$number of $number names are answered where they should be"
}

probe() {
    # Who answers can change at any time: it is always looked at anew.
    return 1
}

apply() {
    echo "$(printf '%s\n' "$wanted" | grep -c ://) names to ask"
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
