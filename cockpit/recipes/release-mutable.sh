# recipe: Find what is written inside a release, and would be lost with it: files, logs, data and sockets
# group: releases
# danger: none
# undo: nothing to take back: it only looked
# param: release the folder of the release, or the link to it
# param: allow patterns of paths that may change, one a line, such as `*.pyc` or `./tmp/*` (optional)
# param: others `refuse` (default) or `ignore` processes that this login may not look into; only root sees all, as with `become`
# needs: find awk readlink
# shellcheck shell=sh disable=SC2154

probe() {
    # What is written appears while it runs: looked at anew each time.
    return 1
}

capture() {
    echo "looked=1"
}

sane() {
    if ! dir=$(cd -P -- "$release" 2> /dev/null && pwd); then
        echo "there is no release at $release"
        return 1
    fi
    if ! grep -q '^build ' "$dir/.built" 2> /dev/null; then
        echo "$release has no mark of its build: what came later cannot be told"
        return 1
    fi
    seen_all "a file of it"
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

allowed() {
    # Passes on the paths that no pattern allows.
    while IFS= read -r path; do
        while IFS= read -r pattern; do
            # shellcheck disable=SC2254
            case ${pattern:+$path} in $pattern) continue 2 ;; esac
        done << END
${allow-}
END
        printf '%s\n' "$path"
    done
}

written() {
    # Newer than the mark, not in its list, or made to be written.
    (cd "$dir" && {
        find . ! -path ./.built \( -type s -o -type p -o \( -type f -newer .built \) \)
        find . -type f ! -path ./.built | awk '
            FILENAME == ".built" { sub(/^[^ ]*  /, ""); known[$0]; next } !($0 in known)' .built -
        find . -type d \( -name log -o -name logs -o -name var -o -name data -o -name uploads -o -name tmp \)
        find . -type f \( -name '*.log' -o -name '*.pid' -o -name '*.db' -o -name '*.sqlite*' -o -name '*.fs' \)
    } | LC_ALL=C sort -u | allowed)
}

opened() {
    # What a process holds open for writing in it.
    for fd in /proc/[0-9]*/fd; do
        # shellcheck disable=SC2012
        ls -l "$fd" 2> /dev/null
    done | dir=$dir awk '
        { at = index($0, " -> "); to = substr($0, at + 4) }
        at && $1 ~ /^l.w/ && index(to, ENVIRON["dir"] "/") == 1 { print "." substr(to, length(ENVIRON["dir"]) + 1) }
    ' | LC_ALL=C sort -u | allowed
}

told() {
    [ -n "$1" ] || return 0
    count=$(printf '%s\n' "$1" | wc -l | tr -d ' ')
    printf '%s\n' "$1" | sed -n '2,50p'
    echo "$count $2 in $dir: $(printf '%s\n' "$1" | head -n 1)"
    return 1
}

apply() {
    sane || return
    told "$(written)" "paths are written, or made to be" || return
    echo "nothing is written in $dir"
}

verify() {
    sane || return 2
    told "$(written)" "paths are written, or made to be" && told "$(opened)" "files are open for writing" || return 1
    case ${others:-refuse} in
        refuse) echo "nothing is written in $dir, and no process has a file of it open for writing" ;;
        *) echo "nothing is written in $dir, and none of the processes that can be seen has a file of it open for writing" ;;
    esac
}

undo() {
    # It only looked.
    return 0
}

verify_undo() {
    return 0
}
