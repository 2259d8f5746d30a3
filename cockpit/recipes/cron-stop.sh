# recipe: Stop a cron job on this host: its line stays, behind a mark, byte for byte
# group: services
# danger: low the job does not run on this host any more
# undo: takes the mark away again
# param: line the line of the job, exactly as it stands there
# param: user whose crontab it is in, default root
# param: file or a file of the system that it is in, such as /etc/cron.d/planet (optional)
# param: within seconds to wait for a run that is under way, default 60
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
    # The table with the line $2 in place of the $3rd $1.
    printf '%s' "$text" | from=$1 to=$2 nth=$3 LC_ALL=C awk '{ print ($0 == ENVIRON["from"] && ++n == ENVIRON["nth"] + 0 ? ENVIRON["to"] : $0) }'
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

running() {
    # Processes that cron started for it: a shell with the command up to its first bare percent sign.
    handed=$(command=$command awk 'BEGIN {
        text = ENVIRON["command"]
        while (match(text, /[%]/)) {
            if (substr(text, RSTART - 1, 1) != "\\") { done = done substr(text, 1, RSTART - 1); text = ""; break }
            done = done substr(text, 1, RSTART - 2) "%"; text = substr(text, RSTART + 1)
        }
        print done text }')
    grep -slF -e "$handed" /proc/[0-9]*/cmdline | while IFS= read -r process; do
        words=$({ tr '\000' '\n' < "$process"; } 2> /dev/null) || continue
        case $words in *"
-c
$handed") process=${process#/proc/}; echo "${process%/*}" ;; esac
    done
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

probe() {
    sane || return 2
    read_jobs || return 2
    [ "$(count "$line")" = 0 ] && [ "$(count "$stopped")" != 0 ]
}

capture() {
    sane && read_jobs || return 1
    echo "running=$(count "$line")"
    # An older mark of the same line may stand there, too: which one of them will be ours.
    printf '%s' "$text" | line=$line stopped=$stopped LC_ALL=C awk '
        $0 == ENVIRON["line"] { print "which=" n + 1; exit }
        $0 == ENVIRON["stopped"] { n++ }'
}

mark() {
    read_jobs || return 1
    if [ "$(count "$line")" = 0 ] && [ "$(count "$stopped")" = 0 ]; then
        echo "there is no such line in $where"
        return 1
    fi
    if [ "$(count "$line")" -gt 1 ]; then
        echo "the line stands there $(count "$line") times: which is meant?"
        return 1
    fi
    [ "$(count "$line")" = 0 ] || swapped "$line" "$stopped" 1 | write_jobs
}

apply() {
    sane || return 1
    case ${within:-60} in *[!0-9]*) echo "the seconds to wait are a whole number"; return 1 ;; esac
    locked cron mark || return 1
    tries=0
    while busy=$(running | head -n 1) && [ -n "$busy" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-60} * 5)) ]; then
            echo "it starts no more, but a run is still under way: process $busy"
            return 1
        fi
        sleep 0.2
    done
    echo "the job is stopped in $where"
}

verify() {
    # In none of cron's tables, and under way no more.
    sane && read_jobs || return 2
    if [ "$(count "$line")" != 0 ]; then
        echo "the line is active in $where"
        return 1
    fi
    other=$(elsewhere_here | head -n 1)
    if [ -n "$other" ]; then
        echo "the same command is run from $other"
        return 1
    fi
    busy=$(running | head -n 1)
    if [ -n "$busy" ]; then
        echo "a run is still under way: process $busy"
        return 1
    fi
    echo "no table of cron runs it here, and none is under way"
}

undo() {
    sane && locked cron unmark
}

unmark() {
    read_jobs || return 1
    if [ -n "${file-}" ]; then rm -f "$new" || return; fi
    marks=$(count "$stopped") which=${captured_which:-1}
    if [ "$marks" != 0 ] && [ "$(count "$line")" = 0 ] && [ "${captured_running:-1}" != 0 ]; then
        [ "$which" -le "$marks" ] || which=$marks
        swapped "$stopped" "$line" "$which" | write_jobs || return
    fi
    echo "$where is as before"
}

verify_undo() {
    sane && read_jobs || return 2
    if [ "$(count "$line")" != "${captured_running:-1}" ]; then
        echo "the line is not active in $where"
        return 1
    fi
    echo "the line is active in $where again"
}
