# recipe: Start a cron job on this host, which becomes its one owner
# group: services
# danger: high the job runs here; make sure that it is stopped elsewhere
# undo: stops it again, as it was: marked, or not there
# param: line the line of the job, exactly as it stood on the other host
# param: user whose crontab it goes into, default root
# param: file or a file of the system that it goes into, such as /etc/cron.d/planet (optional)
# param: elsewhere shell text that succeeds when no other host runs it; asked before the start and at each look (optional)
# needs: crontab awk flock
# shellcheck shell=sh disable=SC2154

sane() {
    case $line in
        *"
"*) echo "a job is one line"; return 1 ;;
        "" | "#"*) echo "this is no line of a job"; return 1 ;;
    esac
    case ${file-}${user-} in
        *"
"*) echo "a file or a user is named over two lines"; return 1 ;;
    esac
    if [ -n "${file-}" ]; then
        case $file in /*) ;; *) echo "the file is no absolute path: $file"; return 1 ;; esac
    elif ! id -u -- "${user:-root}" > /dev/null 2>&1; then
        echo "there is no user $user"
        return 1
    fi
    where=${file:-the crontab of ${user:-root}}
    # A hidden file is read by no cron. A link stays: what it leads to is written.
    real=${file-}
    if [ -L "$real" ] && ! real=$(readlink -f -- "$file"); then echo "the link $file leads nowhere" && return 1; fi
    if [ -n "$real" ]; then new=${real%/*}/.${real##*/}.new; fi
    stopped="#stopped for the cutover: $line"
    # What cron hands to the shell: all behind the times, and behind the user in a file of the system.
    command=$(line=$line system=${file:+1} awk 'BEGIN {
        text = ENVIRON["line"]
        skip = (text ~ /^[ \t]*@/ ? 1 : 5) + (ENVIRON["system"] ? 1 : 0)
        for (i = 0; i < skip; i++) if (!sub(/^[ \t]*[^ \t]+[ \t]+/, "", text)) text = ""
        print text }')
    if [ -z "$command" ]; then
        echo "this is no line of a job: ${file:+times, user and }${file:-times and} command are missing"
        return 1
    fi
}

read_jobs() {
    # Into $text, with all its newlines; nothing where there is no table.
    if [ -n "${file-}" ]; then
        text=
        [ ! -e "$file" ] || text=$(cat -- "$file" && echo .) || return 2
    elif ! text=$(crontab -u "${user:-root}" -l 2> /dev/null && echo .); then
        # Only what cron's own program calls no table is none: any other failure would have the rest of it overwritten.
        text='' why=$(LC_ALL=C crontab -u "${user:-root}" -l 2>&1 > /dev/null)
        case $why in
            "no crontab for ${user:-root}" | *"can't open '${user:-root}': No such file or directory") ;;
            *) echo "$where cannot be read: ${why:-crontab -l fails}"; return 2 ;;
        esac
    fi
    text=${text%.}
    case $text in
        "" | *"
") ;;
        *) echo "the last line of $where has no end: cron does not read it"; return 2 ;;
    esac
}

count() {
    # How often the line $1 stands there.
    printf '%s' "$text" | line=$1 LC_ALL=C awk '$0 == ENVIRON["line"] { n++ } END { print n + 0 }'
}

swapped() {
    # The table with the line $2 in place of $1.
    printf '%s' "$text" | from=$1 to=$2 LC_ALL=C awk '{ print ($0 == ENVIRON["from"] ? ENVIRON["to"] : $0) }'
}

# The file whose lock says who changes $1 on this host. Nobody else can open it, and so keep the lock: it is in a folder of root's,
# or in the home of who is not root.
latch() {
    latch=/run
    [ -d "$latch" ] || latch=/var/run
    [ "$(id -u)" = 0 ] || latch=$HOME
    latch=$latch/.cockpit-$1.lock
    (umask 077 && : >> "$latch")
}

# Runs the function $2 as the only one on this host that changes $1: of two that read one file and write it, the first change would
# be lost. The kernel takes the lock back from who dies, and what that has started does not keep it.
locked() {
    if ! command -v flock > /dev/null; then
        echo "there is no flock here, without which two steps could write one file at once; nothing was changed"
        return 2
    fi
    latch "$1" || return 2
    (
        left=600
        until flock -n 9; do
            left=$((left - 1))
            if [ "$left" -le 0 ]; then
                echo "another step has kept $latch locked for two minutes; nothing was changed"
                return 2
            fi
            sleep 0.2
        done
        "$2" 9>&-
    ) 9>> "$latch"
}

write_jobs() {
    # Standard input becomes the table; a user's is checked by cron's own program.
    if [ -z "${file-}" ]; then
        crontab -u "${user:-root}" -
    elif [ -e "$file" ]; then
        rm -f "$new" && cp -p "$real" "$new" && cat > "$new" && mv "$new" "$real"
    else
        rm -f "$new" && (umask 022 && cat > "$new") && mv "$new" "$real"
    fi
}

elsewhere_here() {
    # Where else on this host the same command is run, as a line that is no comment.
    for table in /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/*; do
        [ -f "$table" ] && [ "$table" != "${file-}" ] && [ "$table" != "/var/spool/cron/crontabs/${user:-root}${file:+/}" ] || continue
        [ "$table" != "$real" ] && [ "$table" != "/var/spool/cron/${user:-root}${file:+/}" ] || continue
        command=$command LC_ALL=C awk '
            /^[ \t]*#/ { next }
            { at = length($0) - length(ENVIRON["command"]) + 1 }
            at > 1 && substr($0, at) == ENVIRON["command"] && substr($0, at - 1, 1) ~ /[ \t]/ { found = 1 }
            END { exit !found }' "$table" && echo "$table"
    done
}

alone_here() {
    other=$(elsewhere_here | head -n 1)
    if [ -n "$other" ]; then
        echo "the same command is run from $other already"
        return 1
    fi
}

alone() {
    alone_here || return
    [ -n "${elsewhere-}" ] || return 0
    said=$(sh -ec "
$elsewhere" < /dev/null 2>&1) || {
        echo "another host still runs it: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
}

probe() {
    sane || return 2
    read_jobs || return 2
    [ "$(count "$line")" = 1 ]
}

capture() {
    sane && read_jobs || return 1
    echo "stopped=$(count "$stopped")"
    if [ -n "$text" ]; then echo "table=there"; else echo "table=absent"; fi
}

apply() {
    sane && alone || return 1
    if [ -n "${file-}" ]; then
        case ${file##*/} in *[!A-Za-z0-9_-]*) echo "cron reads no file of this name: ${file##*/}"; return 1 ;; esac
    fi
    locked cron enter || return 1
}

enter() {
    read_jobs && alone_here || return 1
    case $(count "$line"):$(count "$stopped") in
        1:*) ;;
        0:0) { printf '%s' "$text"; printf '%s\n' "$line"; } | write_jobs || return ;;
        0:1) swapped "$stopped" "$line" | write_jobs || return ;;
        *)
            echo "the line stands more than once in $where: which is meant?"
            return 1
            ;;
    esac
    echo "the job is in $where"
}

verify() {
    # Once, in a table that cron takes, with a cron that runs, and nowhere else.
    sane && read_jobs || return 2
    if [ "$(count "$line")" != 1 ]; then
        echo "the line is active $(count "$line") times in $where"
        return 1
    fi
    if [ -n "${file-}" ]; then
        case $(stat -c %u:%A "$file") in
            0:-????-??-?) ;;
            *)
                echo "cron does not take $file: others than root can write it"
                return 1
                ;;
        esac
    fi
    alone || return 1
    if ! cat /proc/[0-9]*/comm 2> /dev/null | grep -qE '^(cron|crond)$'; then
        echo "the line is there, but no cron is running"
        return 1
    fi
    echo "it is run here, from $where alone"
}

undo() {
    sane && locked cron leave
}

leave() {
    read_jobs || return 1
    if [ -n "${file-}" ]; then rm -f "$new" || return; fi
    if [ "$(count "$line")" != 0 ]; then
        if [ "${captured_stopped:-0}" != 0 ]; then
            swapped "$line" "$stopped" | write_jobs || return
        else
            rest=$(printf '%s' "$text" | line=$line LC_ALL=C awk '$0 != ENVIRON["line"]' && echo .)
            rest=${rest%.}
            if [ -n "$rest" ] || [ "${captured_table:-there}" = there ]; then
                printf '%s' "$rest" | write_jobs || return
            elif [ -n "${file-}" ]; then
                rm -f "$file" || return
            else
                crontab -u "${user:-root}" -r || return
            fi
        fi
    fi
    echo "$where is as before"
}

verify_undo() {
    sane && read_jobs || return 2
    if [ "$(count "$line")" != 0 ]; then
        echo "the line is still active in $where"
        return 1
    fi
    echo "the line is active here no more"
}
