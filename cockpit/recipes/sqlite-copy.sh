# recipe: Copy an SQLite database while it is in use, check it, and put it in place whole
# group: data
# danger: low the file at the target is replaced
# undo: puts back the file that was at the target, or removes the copy with what was written since
# param: source the database file
# param: target where the copy goes; nothing may have it open
# param: others `refuse` (default) or `ignore` processes that this login may not look into; only root sees all, as with `become`
# needs: sqlite3 sha256sum stat readlink
# shellcheck shell=sh disable=SC2154

absolute() {
    # A path that looks neither like an option nor like a URI.
    case $1 in
        /*) printf '%s\n' "$1" ;;
        *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

followed() {
    # A link stays: what it leads to is the target.
    if [ -L "$target" ]; then target=$(readlink -f -- "$target") || { echo "the link $target leads nowhere" && return 1; }; fi
}

sane() {
    followed || return
    case $source$target in
        *'
'*)
            echo "a path is one line"
            return 1
            ;;
    esac
    if [ -e "$target" ] && [ ! -f "$target" ]; then echo "$target is no file" && return 1; fi
    unused
}

unused() {
    # What is still to be written into the one file would spoil another one in its place.
    if [ -s "$target-wal" ] || [ -s "$target-journal" ]; then echo "$target is in use, or was left amid a write" && return 1; fi
    seen_all "$target" || return
    # shellcheck disable=SC2012  # the links' ends are what is wanted, and only ls shows many at once everywhere
    ls -l /proc/[0-9]*/fd 2> /dev/null | path=$(readlink -f -- "$target") LC_ALL=C awk '
        BEGIN { path = " -> " ENVIRON["path"]; n = length(path) }
        substr($0, length($0) - n + 1) == path { found = 1 }
        END { exit !found }' || return 0
    echo "$target is in use: stop what has it open"
    return 1
}

unseen() {
    # A process of which this login may not see what it runs out of. Those of the kernel, and those that have ended, have no memory.
    # Where the processes of others are hidden altogether, the first one is, too.
    if ! [ -r /proc/1/status ]; then echo 1 && return; fi
    for process in /proc/[0-9]*; do
        [ -e "$process/cwd/." ] || readlink "$process/cwd" > /dev/null 2>&1 || ! grep -qs '^VmSize:' "$process/status" || break
        process=
    done
    [ -n "$process" ] && echo "${process#/proc/}"
}

seen_all() {
    case ${others:-refuse} in
        ignore) return 0 ;;
        refuse) ;;
        *) echo "others is refuse or ignore"; return 1 ;;
    esac
    hidden=$(unseen) || return 0
    echo "process $hidden cannot be looked into by this login, and may use $1: become root, or let others be ignored"
    return 1
}

contents() {
    # A sum over all that a database holds, whatever the layout of its pages; status 2 when it cannot all be read. It is not
    # opened read-only: that would leave files beside it.
    [ -f "$1" ] || return 2
    sqlite3 -batch -cmd '.timeout 10000' "$(absolute "$1")" .dump | LC_ALL=C awk '
        { print | "sha256sum | cut -c 1-20"; last = $0 }
        END { close("sha256sum | cut -c 1-20"); exit last == "COMMIT;" ? 0 : 2 }'
}

probe() {
    followed || return 2
    there=$(contents "$source") || return 2
    [ -f "$target" ] && [ "$(contents "$target" 2> /dev/null)" = "$there" ]
}

capture() {
    sane >&2 || return
    if [ -e "$target" ]; then echo "existed=1"; else echo "existed=0"; fi
    echo "token=$(date +%s)-$$"
}

apply() {
    sane || return
    [ -f "$source" ] || { echo "there is no database $source" && return 1; }
    if probe; then echo "$target holds what $source holds already" && return; fi
    from=$(absolute "$source")
    folder=$(dirname -- "$(absolute "$target")")
    # A plain name: SQLite's own commands have a quotation of their own.
    plain=.cutover-$captured_token
    rm -f -- "$folder/$plain" "$folder/$plain-journal" || return
    if ! (cd -- "$folder" && sqlite3 -batch -cmd '.timeout 10000' "$from" ".backup main $plain") ||
        [ "$(cd -- "$folder" && sqlite3 -batch "$plain" 'pragma integrity_check')" != ok ]; then
        rm -f -- "$folder/$plain" "$folder/$plain-journal"
        echo "$source cannot be copied whole: nothing was changed"
        return 1
    fi
    like=$from
    if [ "$captured_existed" = 1 ]; then
        like=$(absolute "$target")
        [ -e "$target.before-$captured_token" ] || ln -- "$target" "$target.before-$captured_token" || return
    fi
    chown "$(stat -L -c %u:%g -- "$like")" "$folder/$plain" && chmod "$(stat -L -c %a -- "$like")" "$folder/$plain" || return
    unused || return
    rm -f -- "$target-wal" "$target-shm" && mv -f -- "$folder/$plain" "$target" || return
    echo "$target is a copy of $source, $(stat -c %s -- "$target") bytes"
}

verify() {
    followed || return 2
    [ -f "$target" ] || { echo "there is no $target" && return 1; }
    sound=$(sqlite3 -batch -cmd '.timeout 10000' "$(absolute "$target")" 'pragma integrity_check') && [ "$sound" = ok ] ||
        { echo "$target is no sound database" && return 1; }
    there=$(contents "$source") || { echo "$source cannot be read" && return 2; }
    [ "$(contents "$target")" = "$there" ] && echo "$target is sound and holds what $source holds" && return
    echo "$target does not hold what $source holds now"
    return 1
}

settled() {
    # One that reads and is cut off leaves empty files beside a database; the next one that closes it takes them away.
    if [ -f "$1" ] && [ -e "$1-wal" ] && [ ! -s "$1-wal" ]; then
        sqlite3 -batch -cmd '.timeout 10000' "$(absolute "$1")" 'pragma schema_version' > /dev/null 2>&1
    fi
    return 0
}

undo() {
    followed || return
    settled "$source"
    settled "$target"
    unused || return
    folder=$(dirname -- "$(absolute "$target")")
    rm -f -- "$folder/.cutover-$captured_token" "$folder/.cutover-$captured_token-journal" || return
    if [ -e "$target.before-$captured_token" ]; then
        # Both may be one file still, which mv refuses.
        rm -f -- "$target-wal" "$target-shm" "$target" && mv -f -- "$target.before-$captured_token" "$target"
    elif [ "$captured_existed" = 0 ]; then
        rm -f -- "$target-wal" "$target-shm" "$target"
    fi
}

verify_undo() {
    followed || return 2
    if [ "$captured_existed" = 0 ]; then
        [ ! -e "$target" ] && echo "$target is gone" && return
    else
        [ -f "$target" ] && [ ! -e "$target.before-$captured_token" ] && echo "$target is the file of before" && return
    fi
    echo "$target is not as it was"
    return 1
}
