# recipe: Lock a mailbox as mail programs do, copy it, and unlock it; what comes later is a straggler
# group: mail
# danger: low mail for the mailbox waits for a moment
# undo: removes the copy
# param: box the mailbox, an mbox file
# param: into a folder to make, for the copy; what is not in it is a straggler
# needs: cmp ln
# shellcheck shell=sh disable=SC2154

sane() {
    case $box:$into in /?*:/?*) ;; *) echo "a path is not absolute" && return 2 ;; esac
    case $box$into in *"
"*) echo "a path holds a newline" && return 2 ;; esac
    copy=$into/${box##*/}
    [ -f "$box" ] && [ -d "${into%/*}" ] && return
    echo "no mailbox, or no place for the copy: $box, $into"
    return 2
}

# A lock is one file that is made at one stroke; ours is known by what is in it.
ours() {
    [ "$(cat "$box.lock" 2> /dev/null)" = "cockpit $into" ]
}

lock() {
    tries=0
    until ours; do
        printf 'cockpit %s\n' "$into" > "$box.lock.new" && ln "$box.lock.new" "$box.lock" 2> /dev/null
        rm -f "$box.lock.new"
        ours && return
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ]; then
            echo "somebody else holds $box.lock"
            return 1
        fi
        sleep 0.2
    done
}

unlock() {
    if ours; then rm -f "$box.lock"; fi
}

probe() {
    sane || return 2
    [ -f "$copy" ] && ! ours
}

capture() {
    sane || return
    if [ -e "$into" ]; then
        echo "$into is there already: move it away"
        return 1
    fi
    echo "size=$(wc -c < "$box" | tr -d ' ')"
}

apply() {
    sane || return
    (umask 077 && mkdir -p "$into") && lock || return
    (umask 077 && cat "$box" > "$copy.new") && mv "$copy.new" "$copy"
    status=$?
    unlock
    [ "$status" = 0 ] && echo "$(grep -c '^From ' "$copy") messages are copied"
}

verify() {
    sane || return 2
    if ours; then
        echo "$box is still locked"
        return 1
    fi
    [ -f "$copy" ] || {
        echo "there is no copy"
        return 1
    }
    # Since then it may have grown.
    head -c "$(wc -c < "$copy")" "$box" | cmp -s - "$copy" || {
        echo "$box does not begin with what was copied: somebody has changed it since"
        return 1
    }
    echo "$(grep -c '^From ' "$copy") of $(grep -c '^From ' "$box") messages are in the copy, and the mailbox is not locked"
}

undo() {
    sane || return
    unlock
    rm -f "$box.lock.new" "$copy.new" "$copy" && { [ ! -d "$into" ] || rmdir "$into"; } && echo "the copy is gone"
}

verify_undo() {
    sane || return 2
    ! ours && [ ! -e "$into" ] && echo "there is no copy, and the mailbox is not locked"
}
