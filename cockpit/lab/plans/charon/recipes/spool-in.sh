# recipe: Make a copied mailbox the mailbox of a user here, before the first message is delivered to it
# group: lab
# danger: low the user sees it
# undo: removes it, unless something has come to it since
# param: copy the copied mailbox, an mbox file
# param: box the mailbox to make
# needs: cmp
# shellcheck shell=sh disable=SC2154

# Whether the mailbox begins with the copy: it may have grown.
begins() {
    [ -f "$box" ] && head -c "$(wc -c < "$copy")" "$box" | cmp -s - "$copy"
}

probe() {
    [ -f "$copy" ] || {
        echo "there is no copy $copy"
        return 2
    }
    begins
}

capture() {
    if [ -s "$box" ]; then
        echo "$box holds mail already: bring the two together by hand" >&2
        return 1
    fi
    echo "was=absent"
}

apply() {
    begins && echo "it is there already" && return
    if [ -s "$box" ]; then
        echo "$box holds mail already: bring the two together by hand"
        return 1
    fi
    (umask 077 && cat "$copy" > "$box.new") && mv "$box.new" "$box" && echo "$(grep -c '^From ' "$box") messages are in $box"
}

verify() {
    begins || {
        echo "$box does not begin with the copy"
        return 1
    }
    echo "$(grep -c '^From ' "$box") messages are in $box, $(grep -c '^From ' "$copy") of them from the copy"
}

undo() {
    [ -s "$box" ] || return 0
    cmp -s "$box" "$copy" || {
        echo "something has come to $box since: bring it back first"
        return 1
    }
    rm -f "$box" && echo "it is gone again"
}

verify_undo() {
    [ ! -s "$box" ] && echo "there is no mailbox $box"
}
