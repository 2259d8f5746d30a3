# recipe: See that this host has the accounts of the other one, and no more
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: file what the other host has written down
# needs: diff
# shellcheck shell=sh disable=SC2154

probe() {
    return 1
}

compared() {
    sed -n 's/^account //p' "$file" | sort > "$file.wanted" || return 2
    cat etc/accounts/* | sort > "$file.here" || return 2
    odd=$(diff "$file.wanted" "$file.here" | sed -n 's/^[<>] //p' | head -n 1)
    rm -f "$file.wanted" "$file.here"
    [ -z "$odd" ] || {
        echo "not on both hosts: $odd"
        return 1
    }
    echo "$(grep -c '^account ' "$file") accounts with their projects are the same on both"
}

apply() {
    compared
}

verify() {
    compared
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
