# recipe: Freeze a path for everyone, root too, by a read-only mount over it; named paths inside stay writable
# group: files
# danger: high whoever writes there gets an error; a restart of the host ends it
# undo: makes it writable at once for all that runs, and takes the mounts away
# param: path the folder or file to freeze
# param: except paths inside that stay writable, one a line (optional)
# param: others `refuse` (default) or `ignore` processes that this login may not look into; only root sees all, as with `become`
# needs: mount umount awk readlink
# shellcheck shell=sh disable=SC2154

sane() {
    placed && each_open inside && seen_all "$at"
}

placed() {
    if [ "$(id -u)" != 0 ]; then
        echo "only root can mount, and see who writes: use become"
        return 1
    fi
    # The path alone: what stays writable may be gone by the time that it is thawed, as after a restart of the host.
    case $path in
        *"
"*) echo "the path is named over two lines"; return 1 ;;
        / | //) echo "the root of the file system is not frozen like that"; return 1 ;;
        /*) ;;
        *) echo "this is no absolute path: $path"; return 1 ;;
    esac
    if [ ! -e "$path" ] || ! at=$(readlink -f -- "$path"); then
        echo "$path is not there"
        return 1
    fi
}

each_open() {
    # Calls $1 with each exception in $open and its number.
    number=0
    while IFS= read -r open; do
        [ -n "$open" ] || continue
        number=$((number + 1))
        case $open in /*) ;; *) open=$at/$open ;; esac
        "$1" || return
    done << END
${except-}
END
}

inside() {
    found=$(readlink -f -- "$open") && [ -e "$open" ] || {
        echo "what is to stay writable is not there: $open"
        return 1
    }
    case $found in
        "$at"/*) ;;
        *)
            echo "what is to stay writable does not lie in $at: $open"
            return 1
            ;;
    esac
}

mounts() {
    # Mounts right at the path $1, or with `below` inside it: one line each with its own options, the last one is on top.
    what=$1 how=${2-} awk '
        {
            point = $5
            gsub(/\\040/, " ", point); gsub(/\\011/, "\t", point); gsub(/\\012/, "\n", point); gsub(/\\134/, "\\", point)
            if (ENVIRON["how"] == "below" ? index(point, ENVIRON["what"] "/") == 1 : point == ENVIRON["what"]) print $6
        }' /proc/self/mountinfo
}

count() {
    mounts "$1" | wc -l | tr -d ' '
}

frozen() {
    case ,$(mounts "$at" | tail -n 1), in *,ro,*) ;; *) return 1 ;; esac
}

stays_open() {
    point=$(readlink -f -- "$open")
    case ,$(mounts "$point" | tail -n 1), in *,rw,*) ;; *) return 1 ;; esac
}

probe() {
    sane || return 2
    frozen && each_open stays_open
}

capture() {
    sane || return
    if [ -n "$(mounts "$at" below)" ]; then
        echo "other file systems are mounted inside $at: freeze each by itself"
        return 1
    fi
    echo "mounts=$(count "$at")"
}

bind_open() {
    # Above what is about to be frozen, before it is: there is no moment in which it cannot be written.
    point=$(readlink -f -- "$open")
    [ "$(count "$point")" != 0 ] || mount --bind "$point" "$point"
}

patiently() {
    # Calls $1 until it succeeds, for up to 5 s, and lets it say why not at the end only.
    tries=0
    while ! why=$("$1" 2>&1); do
        tries=$((tries + 1))
        [ "$tries" -lt 25 ] || { printf '%s\n' "$why" && return 1; }
        sleep 0.2
    done
}

closed() {
    mount -o remount,bind,ro "$at"
}

apply() {
    sane || return
    if [ "$(count "$at")" -le "${captured_mounts:-0}" ]; then mount --bind "$at" "$at" || return; fi
    each_open bind_open || return
    # A file that is just being written keeps it busy: who writes for longer than that has to be stopped.
    patiently closed || return
    echo "$at is read-only for everyone, $number paths in it are not"
}

writes() {
    # Whether somebody can write at $1; leaves nothing behind.
    if [ -d "$1/" ]; then
        token=$1/.cockpit-freeze.$$
        mkdir "$token" 2> /dev/null && rmdir "$token"
    else
        (exec 3>> "$1") 2> /dev/null
    fi
}

open_writes() {
    writes "$open" || {
        echo "$open cannot be written, and should"
        return 1
    }
}

open_again() {
    [ ! -e "$open" ] || open_writes
}

excepted() {
    # Whether $1 lies in what stays writable.
    test=$1
    ! each_open not_this
}

not_this() {
    case $test/ in "$(readlink -f -- "$open")"/*) return 1 ;; esac
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

links() {
    # `PID TARGET` of the links /proc/PID/$1.
    # shellcheck disable=SC2086,SC2012
    ls -l /proc/[0-9]*/$1 2> /dev/null | awk '
        /^\/proc\// { split($0, word, "/"); pid = word[3]; next }
        at = index($0, " -> ") {
            if (start = index($0, " /proc/")) { split(substr($0, start + 1), word, "/"); pid = word[3] }
            print substr($1, 1, 4) " " pid " " substr($0, at + 4)
        }'
}

others() {
    # What reaches it another way: from before, or from a mount table of its own. Says the first.
    seen=" $(readlink /proc/self/ns/mnt) "
    here=$(stat -L -c %d:%i "$at")
    while read -r _ pid space; do
        case $seen in *" $space "*) continue ;; esac
        seen="$seen$space "
        if [ "$(stat -L -c %d:%i "/proc/$pid/root$at" 2> /dev/null)" = "$here" ] && writes "/proc/$pid/root$at"; then
            echo "process $pid has mounts of its own and can write in $at: stop it, or freeze there"
            return 1
        fi
    done << END
$(links ns/mnt)
END
    while read -r _ pid where; do
        case $where/ in "$at"/*) ;; *) continue ;; esac
        if ! excepted "$where" && writes "/proc/$pid/cwd"; then
            echo "process $pid works in $where from before and can still write: restart it"
            return 1
        fi
    done << END
$(links cwd)
END
    while read -r mode pid file; do
        case $mode:$file/ in l?w?:"$at"/*) ;; *) continue ;; esac
        if ! excepted "$file"; then
            echo "process $pid has $file open for writing from before: restart it"
            return 1
        fi
    done << END
$(links fd)
END
}

verify() {
    # Writing is tried, by root, and by the ways of all that runs.
    sane || return 2
    if writes "$at"; then
        echo "$at can be written"
        return 1
    fi
    # A log-in or a command that began before and is about to end is waited for.
    patiently others && each_open open_writes || return 1
    case ${others:-refuse} in
        refuse) before="what ran before" ;;
        *) before="what ran before and can be seen" ;;
    esac
    echo "$at cannot be written, not by root and not by $before; $number paths in it can"
}

release_open() {
    point=$(readlink -f -- "$open") || return 0
    case $point in "$at"/*) ;; *) return 0 ;; esac
    while [ "$(count "$point")" != 0 ]; do umount "$point" 2> /dev/null || umount -l "$point" || return; done
}

undo() {
    placed || return
    if [ "$(count "$at")" -gt "${captured_mounts:-0}" ]; then
        # First for whom is in it already: the mount may be in use and have to go later.
        mount -o remount,bind,rw "$at" || return
        each_open release_open || return
    fi
    while [ "$(count "$at")" -gt "${captured_mounts:-0}" ]; do umount "$at" 2> /dev/null || umount -l "$at" || return; done
    echo "$at can be written again"
}

verify_undo() {
    placed || return 2
    if [ "$(count "$at")" -gt "${captured_mounts:-0}" ] || ! writes "$at"; then
        echo "$at cannot be written yet"
        return 1
    fi
    each_open open_again || return
    echo "$at can be written again"
}
