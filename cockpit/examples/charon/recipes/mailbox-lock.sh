# recipe: Lock a mailbox, as mail programs do, so that nothing is written to it; what comes waits in the queue
# group: mail
# danger: low mail for the mailbox waits; mail servers take a lock that is some minutes old for a forgotten one
# undo: unlocks it
# param: box the mailbox, an mbox file
# param: mark the file that the unlocking makes, whose time tells stragglers
# needs: ln stat
# shellcheck shell=sh disable=SC2154

sane() {
    case $box:$mark in /*:/*) ;; *) echo "a path is not absolute" && return 2 ;; esac
    case $box$mark in *"
"*) echo "a path holds a newline" && return 2 ;; esac
    [ -d "${box%/*}" ] && [ ! -d "$box" ] && return
    echo "no mailbox: $box"
    return 2
}

ours() {
    [ "$(cat "$box.lock" 2> /dev/null)" = "cockpit $mark" ]
}

probe() {
    sane || return 2
    ours
}

capture() {
    sane && if [ -e "$mark" ]; then echo "$mark is in the way" && return 1; else echo "was=unlocked"; fi
}

apply() {
    sane || return
    tries=0
    until ours; do
        printf 'cockpit %s\n' "$mark" > "$box.lock.new" && ln "$box.lock.new" "$box.lock" 2> /dev/null
        rm -f "$box.lock.new"
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ] && ! ours; then
            echo "somebody else holds $box.lock"
            return 1
        fi
        ours || sleep 0.2
    done
    # What came before the lock and what comes after it are told apart by the second.
    second=$(date +%s)
    while [ "$(date +%s)" = "$second" ]; do sleep 0.1; done
    echo "$box is locked"
}

verify() {
    sane || return 2
    ours || {
        echo "$box is not locked by us"
        return 1
    }
    before=$(cksum < "$box" 2> /dev/null)
    sleep 0.5
    [ "$(cksum < "$box" 2> /dev/null)" = "$before" ] && echo "$box is locked and quiet" && return
    echo "something writes to $box although it is locked"
    return 1
}

undo() {
    sane || return
    rm -f "$box.lock.new"
    if ours; then rm -f "$box.lock" || return; fi
    echo "$box is not locked by us any more"
}

verify_undo() {
    sane || return 2
    ! ours && echo "$box is not locked by us"
}
