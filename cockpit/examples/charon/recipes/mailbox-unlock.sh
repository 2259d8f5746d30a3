# recipe: Unlock a mailbox that mailbox-lock has locked, and mark the time
# group: mail
# danger: low what waits is written to it
# undo: locks it again
# param: box the mailbox, an mbox file
# param: mark the file that is made; its time tells what came later
# needs: ln
# shellcheck shell=sh disable=SC2154

sane() {
    case $box:$mark in /*:/*) ;; *) echo "a path is not absolute" && return 2 ;; esac
    case $box$mark in *"
"*) echo "a path holds a newline" && return 2 ;; esac
    [ -d "${box%/*}" ] && [ -d "${mark%/*}" ] && return
    echo "no mailbox, or no place for the mark: $box, $mark"
    return 2
}

ours() {
    [ "$(cat "$box.lock" 2> /dev/null)" = "cockpit $mark" ]
}

probe() {
    sane || return 2
    [ -e "$mark" ] && ! ours
}

capture() {
    sane && if ours; then echo "was=locked"; else echo "was=unlocked"; fi
}

apply() {
    sane || return
    ours || [ -e "$mark" ] || {
        echo "$box is not locked by us"
        return 1
    }
    { [ -e "$mark" ] || : > "$mark"; } && { ! ours || rm -f "$box.lock"; } && echo "$box is unlocked"
}

verify() {
    sane || return 2
    if ours; then
        echo "$box is still locked"
        return 1
    fi
    [ -e "$mark" ] && echo "$box is unlocked, and $mark says since when"
}

undo() {
    sane || return
    tries=0
    while [ "${captured_was-}" = locked ] && ! ours; do
        printf 'cockpit %s\n' "$mark" > "$box.lock.new" && ln "$box.lock.new" "$box.lock" 2> /dev/null
        rm -f "$box.lock.new"
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "somebody else holds $box.lock"
            return 1
        fi
        ours || sleep 0.2
    done
    rm -f "$box.lock.new" "$mark" && echo "$box is ${captured_was:-unlocked} again"
}

verify_undo() {
    sane || return 2
    if [ "${captured_was-}" = locked ]; then ours; else ! ours; fi && [ ! -e "$mark" ] && echo "$box is ${captured_was:-unlocked}"
}
