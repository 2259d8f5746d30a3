# recipe: Write down what each repository holds: its patches, by their inventory, and its hooks with their modes
# group: lab
# danger: low it writes one file, of the figures
# undo: removes the file
# param: root the folder in which the repositories lie
# param: figures the file to write
# needs: sha256sum stat
# shellcheck shell=sh disable=SC2154

taken() {
    (cd "$root" && for place in */inventory; do
        one=${place%/inventory}
        echo "$one $(wc -l < "$place" | tr -d ' ') patches $(sha256sum < "$place" | cut -d ' ' -f 1)"
        for hook in "$one"/hooks/*; do
            echo "$hook $(stat -c %a "$hook") $(sha256sum < "$hook" | cut -d ' ' -f 1)"
        done
    done)
}

probe() {
    [ -f "$figures" ] && [ "$(taken)" = "$(cat "$figures")" ]
}

apply() {
    mkdir -p "$(dirname "$figures")" && taken > "$figures.new" && mv "$figures.new" "$figures" && cat "$figures"
}

verify() {
    [ "$(taken)" = "$(cat "$figures")" ] || {
        echo "the repositories have changed since"
        return 1
    }
    echo "$(grep -c ' patches ' "$figures") repositories are written down"
}

undo() {
    rm -f "$figures" "$figures.new"
}

verify_undo() {
    [ ! -e "$figures" ]
}
