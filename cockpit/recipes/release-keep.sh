# recipe: Remove old releases but the newest few, never the one in use, the recorded previous one, or one that something runs out of
# group: releases
# danger: high a removed release can only be built again
# undo: cannot be once a release is gone: build its tag again
# param: releases the folder that holds one folder per tag, as release-build makes it
# param: keep how many of the newest stay
# param: current the link to the release in use, default `current` beside the folder of releases
# param: others `refuse` (default) or `ignore` processes that this login may not look into; only root sees all, as with `become`
# needs: readlink sort awk
# shellcheck shell=sh disable=SC2154

sane() {
    case $keep in
        "" | 0 | *[!0-9]*) echo "how many to keep is a whole number from 1 on"; return 1 ;;
    esac
    case $releases in
        *"
"*) echo "the folder of releases is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the folder of releases is no absolute path: $releases"; return 1 ;;
    esac
    link=${current:-$(dirname "$releases")/current}
    if [ ! -d "$releases" ] || ! all=$(readlink -f "$releases"); then
        echo "there is no folder $releases"
        return 1
    fi
    if [ ! -d "$link/" ] || ! used=$(readlink -f "$link"); then
        echo "$link leads nowhere: which release is in use cannot be told, nothing is removed"
        return 1
    fi
    seen_all "a release" || return 1
    previous=none
    if [ -L "$releases/.previous" ]; then previous=$(readlink -f "$releases/.previous" || echo none); fi
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

too_many() {
    # Names of built releases that go: all but the newest, less those that stay whatever their age.
    # A process runs out of a release that it works in, was started from, has a file of open or mapped, or was told of by name:
    # an interpreter's own program is elsewhere, and a daemon works in `/`.
    short=${all##*/} called=${releases%/} && called=${called##*/}
    # shellcheck disable=SC2012
    busy=$({
        ls -l /proc/[0-9]*/cwd /proc/[0-9]*/exe /proc/[0-9]*/fd | sed -n 's/^.* -> //p'
        cat /proc/[0-9]*/maps | sed 's,^[^/]*,,'
        cat /proc/[0-9]*/cmdline | tr '\0' '\n'
    } 2> /dev/null | grep -F -e "$short/" -e "$called/" | sort -u)
    for mark in "$all"/*/.built; do
        at=$(sed -n 's/^at //p' "$mark" 2> /dev/null | head -n 1)
        case $at in "" | *[!0-9]*) continue ;; esac
        name=${mark%/.built}
        printf '%s %s\n' "$at" "${name##*/}"
    done | LC_ALL=C sort -k1,1nr -k2,2r | sed -e "1,${keep}d" -e 's/^[0-9]* //' | while IFS= read -r name; do
        case $all/$name in "$used" | "$previous") continue ;; esac
        # What may not stand in a tag ends its name.
        case "
$busy
" in *[!A-Za-z0-9._+@~-]"$short/$name"[!A-Za-z0-9._+@~-]* | *[!A-Za-z0-9._+@~-]"$called/$name"[!A-Za-z0-9._+@~-]*) continue ;; esac
        printf '%s\n' "$name"
    done
}

words() {
    printf '%s' "$1" | tr '\n' ' '
}

probe() {
    sane || return 2
    [ -z "$(too_many)" ] && [ -z "$(ls -d "$all"/.*.removing 2> /dev/null)" ]
}

capture() {
    sane || return
    printf 'gone=%s\n' "$(words "$(too_many)")"
    printf 'used=%s\n' "$used"
}

cleared() {
    # What was taken aside is removed for good. A name may begin with dots.
    for left in "$all"/.*.removing; do
        [ -e "$left" ] || continue
        chmod -R u+w "$left" 2> /dev/null
        # The mark goes first: what has none is never put back.
        rm -f "$left/.built" && rm -rf "$left" || return
    done
}

apply() {
    sane || return
    # What an apply that was cut off has left stands in nobody's way: a tag may have been built again since.
    cleared || return
    names=$(too_many)
    printf '%s\n' "$names" | while IFS= read -r name; do
        [ -n "$name" ] || continue
        # One stroke: half a release is never found under its name.
        mv -T "$all/$name" "$all/.$name.removing" || exit
    done || return
    cleared || return
    echo "removed: ${captured_gone:-nothing}; in use is ${used##*/}"
}

verify() {
    sane || return 2
    for stays in "$used" "$previous"; do
        if [ "$stays" != none ] && ! [ -r "$stays/.built" ]; then
            echo "$stays is in use or recorded, and is not whole"
            return 1
        fi
    done
    rest=$(too_many)
    [ -z "$rest" ] || {
        echo "still there: $(words "$rest")"
        return 1
    }
    echo "kept: $(cd "$all" && words "$(ls)")"
}

undo() {
    missing=
    for left in "$releases"/.*.removing; do
        [ -r "$left/.built" ] || continue
        tag=${left##*/.} tag=${tag%.removing}
        [ -e "$releases/$tag" ] || mv -T "$left" "$releases/$tag" || return
    done
    for name in ${captured_gone-}; do
        [ -d "$releases/$name" ] || missing="$missing $name"
    done
    if [ -n "$missing" ]; then
        echo "gone for good, build the tag again:$missing"
        return 1
    fi
    echo "every release is there"
}

verify_undo() {
    for name in ${captured_gone-}; do
        [ -r "$releases/$name/.built" ] || {
            echo "$name is gone"
            return 1
        }
    done
    echo "every release is there"
}
