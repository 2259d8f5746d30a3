# recipe: Ask each name as the world does, from a host that is neither old nor new, and see who answers
# group: after
# danger: none
# undo: nothing to take back
# param: wanted a line for each: URL, and the host that must answer (its header X-Served-By says which)
# param: resolver the address of the resolver that looks the names up
# param: patience for how many seconds a bad answer is asked again (default 20)
# needs: curl dig
# shellcheck shell=sh disable=SC2154

looked() {
    number=0
    while read -r url host; do
        [ -n "$url" ] || continue
        name=${url#*://}
        name=${name%%[:/]*}
        number=$((number + 1)) tries=0
        while :; do
            address=$(dig +short +time=2 +tries=2 "@$resolver" "$name" A | tail -n 1)
            said="it is not found"
            [ -z "$address" ] || said=$(curl -sS -m 5 -o /dev/null -D - --resolve "$name:80:$address" "$url" 2>&1 | tr -d '\r')
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
    return 1
}

apply() {
    looked
}

verify() {
    looked
}

undo() {
    return 0
}

verify_undo() {
    return 0
}
