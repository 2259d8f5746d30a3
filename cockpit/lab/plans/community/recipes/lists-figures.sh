# recipe: Write down lists, their members and their archived messages
# group: lab
# danger: low it writes one file, of the figures
# undo: removes the file
# param: root the folder of the lists, with archives/ in it
# param: file the file to write
# needs: cksum
# shellcheck shell=sh disable=SC2154

taken() {
    (cd "$root" && for place in */members; do
        list=${place%/members}
        echo "$list $(wc -l < "$place" | tr -d ' ') members $(grep -c '^From ' "archives/$list.mbox") messages $(cat "$place" "archives/$list.mbox" | cksum)"
    done)
}

probe() {
    [ -f "$file" ] && [ "$(taken)" = "$(cat "$file")" ]
}

apply() {
    mkdir -p "$(dirname "$file")" && taken > "$file.new" && mv "$file.new" "$file" && cat "$file"
}

verify() {
    [ "$(taken)" = "$(cat "$file")" ] || {
        echo "the lists have changed since"
        return 1
    }
    echo "$(wc -l < "$file" | tr -d ' ') lists are written down"
}

undo() {
    rm -f "$file" "$file.new"
}

verify_undo() {
    [ ! -e "$file" ]
}
