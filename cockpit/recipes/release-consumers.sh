# recipe: See that configurations name `current` and no single release, restart what runs, and see that it runs out of it
# group: releases
# danger: high what runs out of the release is restarted
# undo: restarts again if a process runs out of another release than the one in use
# param: releases the folder that holds one folder per tag
# param: config files and folders of configuration that must name `current`, one a line
# param: restart shell text that restarts what runs out of `current`
# param: test shell text that checks the configuration before the restart, such as `nginx -t` (optional)
# param: current the link to the release in use, default `current` beside the folder of releases
# param: processes how many processes at least run out of it, default 1
# param: within seconds to wait for them after a restart, default 15
# param: others `refuse` (default) or `ignore` processes that this login may not look into; only root sees all, as with `become`
# needs: readlink grep awk
# shellcheck shell=sh disable=SC2154

sane() {
    case $releases in
        *"
"*) echo "the folder of releases is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the folder of releases is no absolute path: $releases"; return 1 ;;
    esac
    link=${current:-$(dirname "$releases")/current}
    case ${processes:-1}${within:-15} in
        *[!0-9]*) echo "processes and within are whole numbers"; return 1 ;;
    esac
    if [ ! -d "$link/" ] || ! used=$(readlink -f "$link"); then
        echo "$link leads nowhere"
        return 1
    fi
    seen_all "a release"
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

configured() {
    # Each file and folder names the link, and none of them a release. Says the first that does not.
    wrong=$(printf '%s\n' "$config" | while IFS= read -r place; do
        [ -n "$place" ] || continue
        [ -e "$place" ] || { echo "$place is not there"; break; }
        fixed=$(grep -rnF -e "$releases/" -- "$place" | sed 's/^[0-9]*:/:&/' | grep -v ':[0-9]*:[[:space:]]*[#;]' | head -n 1)
        [ -z "$fixed" ] || { echo "a configuration names one release instead of $link: $fixed"; break; }
        grep -rqF -e "$link" -- "$place" || { echo "$place does not name $link"; break; }
    done)
    [ -z "$wrong" ] || { printf '%s\n' "$wrong"; return 1; }
}

running() {
    # Lines `new PID` and `stale PID FOLDER`, one a process that runs out of the release in use, or out of another: it works in it,
    # was started from it, has a file of it open or mapped, or was told of it by name.
    all=$(readlink -f "$releases")
    # shellcheck disable=SC2012
    {
        ls -l /proc/[0-9]*/cwd /proc/[0-9]*/exe /proc/[0-9]*/fd
        grep -F -e "$all/" /proc/[0-9]*/maps
        grep -lF -e "$all/" /proc/[0-9]*/cmdline | while IFS= read -r words; do tr '\0' '\n' < "$words" | sed "s,^,$words: ,"; done
    } 2> /dev/null | all=$all used=$used awk '
        /^\/proc\/[0-9]+\/fd:$/ { split($0, word, "/"); pid = word[3]; next }
        {
            at = index($0, " -> ")
            if (at) to = substr($0, at + 4)
            else if (at = index($0, ENVIRON["all"] "/")) to = substr($0, at)
            else next
            sub(/ [(]deleted[)]$/, "", to); to = to "/"
            # Only the folder of all, as in our own words.
            if (index(to, ENVIRON["all"] "//") == 1) next
            if (split(substr($0, index($0, "/proc/")), word, "/") > 2 && match($0, /\/proc\/[0-9]+\/(cwd|exe|maps|cmdline)/)) pid = word[3]
            if (index(to, ENVIRON["used"] "/") == 1) kind = "new"
            else if (index(to, ENVIRON["all"] "/") == 1) kind = "stale"
            else next
            if (!((kind, pid) in seen)) { seen[kind, pid] = 1; print kind, pid, to }
        }'
}

fresh() {
    seen=$(running)
    stale=$(printf '%s\n' "$seen" | grep -c '^stale ')
    new=$(printf '%s\n' "$seen" | grep -c '^new ')
    [ "$stale" = 0 ] && [ "$new" -ge "${processes:-1}" ]
}

told() {
    if [ "$stale" != 0 ]; then
        echo "$stale still run out of another release: $(printf '%s\n' "$seen" | sed -n 's/^stale /process /p' | head -n 1)"
    else
        echo "$new run out of $used, wanted are ${processes:-1}"
    fi
}

waited() {
    tries=0
    until fresh; do
        tries=$((tries + 1))
        [ "$tries" -le $((${within:-15} * 5)) ] || return 1
        sleep 0.2
    done
}

probe() {
    sane || return 2
    configured > /dev/null && fresh
}

capture() {
    sane || return
    printf 'used=%s\n' "$used"
}

tested() {
    [ -n "${test-}" ] || return 0
    said=$(sh -ec "
$test" < /dev/null 2>&1) || {
        echo "the configuration is refused, nothing is restarted: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
}

apply() {
    sane && configured && tested || return 1
    if fresh; then
        echo "$new run out of $used already"
        return
    fi
    sh -ec "
$restart" < /dev/null 2>&1 || {
        echo "the restart ended with $?"
        return 1
    }
    waited || {
        told
        return 1
    }
    echo "restarted: $new run out of $used"
}

verify() {
    sane || return 2
    configured || return 1
    waited
    status=$?
    told
    return "$status"
}

undo() {
    sane || return
    fresh
    if [ "$stale" = 0 ]; then
        echo "nothing to take back: all run out of $used"
        return 0
    fi
    tested || return
    sh -ec "
$restart" < /dev/null || return
    waited
    status=$?
    told
    return "$status"
}

verify_undo() {
    sane || return 2
    fresh
    status=$stale
    told
    [ "$status" = 0 ]
}
