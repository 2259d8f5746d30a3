# recipe: See that this host has the same lists with the same members and messages as were written down
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: root the folder of the lists, with archives/ in it
# param: file what was written down
# needs: cksum
# shellcheck shell=sh disable=SC2154

taken() {
    (cd "$root" && for place in */members; do
        list=${place%/members}
        echo "$list $(wc -l < "$place" | tr -d ' ') members $(grep -c '^From ' "archives/$list.mbox") messages $(cat "$place" "archives/$list.mbox" | cksum)"
    done)
}

probe() {
    return 1
}

compared() {
    [ "$(taken)" = "$(cat "$file")" ] || {
        echo "the lists are not those that were written down"
        return 1
    }
    echo "$(wc -l < "$file" | tr -d ' ') lists have the same members and messages"
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
