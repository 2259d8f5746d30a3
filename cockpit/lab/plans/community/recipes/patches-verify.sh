# recipe: See that each repository of the other host is here whole, with the same patches and hooks
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: root the folder in which the repositories lie
# param: figures what the other host has written down
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
    return 1
}

whole() {
    # Every patch of an inventory is there, as it was recorded.
    for place in "$root"/*/inventory; do
        said=$(cd "${place%/inventory}/patches" && sed 's/ /  /' ../inventory | sha256sum -c --quiet 2>&1) || {
            echo "${place%/inventory} is not whole: $(printf '%s\n' "$said" | head -n 1)"
            return 1
        }
    done
}

apply() {
    [ "$(taken)" = "$(cat "$figures")" ] || {
        echo "the repositories are not those that were written down"
        return 1
    }
    echo "the inventories are the same"
}

verify() {
    apply > /dev/null || {
        echo "the repositories are not those that were written down"
        return 1
    }
    whole && echo "$(grep -c ' patches ' "$figures") repositories are whole and hold the same"
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
