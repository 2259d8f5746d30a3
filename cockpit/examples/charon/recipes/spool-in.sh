# recipe: Make a copied mailbox the mailbox of a user here, before the first message is delivered to it
# group: mail
# danger: low the user sees it
# undo: removes it, unless something has come to it since
# param: copy the copied mailbox, an mbox file
# param: box the mailbox to make
# param: user whose it is
# needs: cmp su truncate
# shellcheck shell=sh disable=SC2154

sane() {
    case $user in '' | [!a-z_]* | *[!a-z0-9_-]*) echo "no name of a user: $user" && return 2 ;; esac
    case $copy:$box in /?*:/?*) ;; *) echo "a path is not absolute" && return 2 ;; esac
    case $copy$box in *"
"*) echo "a path holds a newline" && return 2 ;; esac
    id "$user" > /dev/null 2>&1 && [ -f "$copy" ] && [ -d "${box%/*}" ] && [ ! -d "$box" ] && return
    echo "no user, no copy, or no place for the mailbox: $user, $copy, $box"
    return 2
}

# Whether the mailbox begins with the copy: it may have grown.
begins() {
    [ -f "$box" ] && head -c "$(wc -c < "$copy")" "$box" | cmp -s - "$copy"
}

probe() {
    sane || return 2
    begins
}

capture() {
    sane || return
    if [ -s "$box" ]; then
        begins && echo "was=there" && return
        echo "$box holds mail already: bring the two together by hand"
        return 1
    fi
    if [ -e "$box" ]; then echo "was=empty"; else echo "was=absent"; fi
}

apply() {
    sane || return
    begins && echo "it is there already" && return
    if [ -s "$box" ]; then
        echo "$box holds mail already: bring the two together by hand"
        return 1
    fi
    rm -f "$box.new"
    (umask 077 && cat "$copy" > "$box.new") && chown "$user:mail" "$box.new" && chmod 600 "$box.new" && mv "$box.new" "$box" &&
        echo "$(grep -c '^From ' "$box") messages are in $box"
}

verify() {
    sane || return 2
    begins || {
        echo "$box does not begin with the copy"
        return 1
    }
    seen=$(box=$box su -s /bin/sh "$user" -c "grep -c '^From ' \"\$box\"") || {
        echo "$user cannot read $box"
        return 1
    }
    echo "$user reads $seen messages in $box, $(grep -c '^From ' "$copy") of them from the copy"
}

undo() {
    sane || return
    rm -f "$box.new"
    if [ "${captured_was-}" = there ] || [ ! -s "$box" ]; then
        echo "it stays as it was"
        return
    fi
    cmp -s "$box" "$copy" || {
        echo "something has come to $box since: bring it back first"
        return 1
    }
    if [ "${captured_was-}" = empty ]; then truncate -c -s 0 "$box"; else rm -f "$box"; fi && echo "it is gone again"
}

verify_undo() {
    sane || return 2
    [ "${captured_was-}" = there ] || [ ! -s "$box" ] && echo "there is no mail of $user here that was not before"
}
