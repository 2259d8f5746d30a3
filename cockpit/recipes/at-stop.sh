# recipe: Take the `at` jobs out of this host's queue and keep them, byte for byte, in a folder for the other host
# group: services
# danger: low the jobs wait until they are started on one of the hosts
# undo: puts them back into the queue
# param: folder where to keep them; only root may read it
# param: users whose jobs, one a line; default everybody's
# param: spool where atd keeps its jobs, default /var/spool/cron/atjobs
# needs: atq stat
# shellcheck shell=sh disable=SC2154

sane() {
    case $folder in
        *"
"*) echo "the folder is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the folder is no absolute path: $folder"; return 1 ;;
    esac
    queue=${spool:-/var/spool/cron/atjobs}
    if [ ! -d "$queue" ]; then
        echo "atd keeps no jobs in $queue"
        return 1
    fi
    while IFS= read -r who; do
        if [ -n "$who" ] && ! id -u -- "$who" > /dev/null 2>&1; then
            echo "there is no user $who"
            return 1
        fi
    done << END
${users-}
END
}

jobs_in() {
    # Names of jobs in the folder $1 that are meant. What runs has a name with `=`.
    for job in "$1"/[A-Za-z][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]????????; do
        [ -f "$job" ] || continue
        if [ -n "${users-}" ] && ! printf '%s\n' "$users" | grep -qxF -e "$(stat -c %U "$job")"; then continue; fi
        echo "${job##*/}"
    done
}

woken() {
    # atd looks at its jobs anew.
    if [ -r /run/atd.pid ]; then kill -s HUP "$(cat /run/atd.pid)" 2> /dev/null; fi
    return 0
}

moved() {
    # From the folder $1 to $2, each at one stroke, also between two file systems.
    jobs_in "$1" | while IFS= read -r name; do
        rm -f "$2/.moving" && cp -p "$1/$name" "$2/.moving" || exit
        # Never in both: the queue loses it before another place has it under its name.
        mv "$1/$name" "$1/.moved-$name" && mv "$2/.moving" "$2/$name" && rm "$1/.moved-$name" || exit
    done
}

mended() {
    # What was cut off between two strokes.
    for left in "$1"/.moved-*; do
        [ -e "$left" ] || continue
        name=${left##*/.moved-}
        if [ -e "$2/$name" ]; then rm "$left"; else mv "$left" "$1/$name"; fi || return
    done
    rm -f "$2/.moving"
}

probe() {
    sane || return 2
    [ -d "$folder" ] && [ -z "$(jobs_in "$queue")" ] && [ -z "$(ls "$queue"/.moved-* "$folder/.moving" 2> /dev/null)" ]
}

capture() {
    sane || return
    if [ -e "$folder" ]; then
        echo "$folder is there already"
        return 1
    fi
    printf 'jobs=%s\n' "$(jobs_in "$queue" | tr '\n' ' ')"
}

apply() {
    sane || return
    if [ ! -d "$folder" ]; then mkdir -m 700 "$folder" || return; fi
    mended "$queue" "$folder" && moved "$queue" "$folder" || return
    # Ids alone do not say whose a job is on another host.
    for job in "$folder"/[A-Za-z]*; do
        if [ -f "$job" ]; then stat -c '%u %U' "$job"; fi
    done | sort -u > "$folder/.owners.new" && mv "$folder/.owners.new" "$folder/.owners" || return
    woken
    echo "$(jobs_in "$folder" | wc -l | tr -d ' ') jobs are kept in $folder"
}

verify() {
    # As `atq` tells it.
    sane || return 2
    told=$(atq) || return 2
    left=$(printf '%s\n' "$told" | users=${users-} awk '
        BEGIN { n = split(ENVIRON["users"], name, "\n"); for (i = 1; i <= n; i++) if (name[i] != "") only[name[i]] = some = 1 }
        NF && (!some || ($NF in only)) { print "job " $1 " of " $NF ($(NF - 1) == "=" ? " is running" : " is still in the queue"); exit }')
    if [ -n "$left" ]; then
        echo "$left"
        return 1
    fi
    for name in ${captured_jobs-}; do
        [ -f "$folder/$name" ] || {
            echo "the job $name is not kept"
            return 1
        }
    done
    echo "the queue is empty, $(jobs_in "$folder" | wc -l | tr -d ' ') jobs are kept"
}

undo() {
    sane || return
    if [ -d "$folder" ]; then
        mended "$queue" "$folder" && mended "$folder" "$queue" && moved "$folder" "$queue" || return
        rm -f "$folder/.owners" "$folder/.owners.new" && rmdir "$folder" || return
        woken
    fi
    echo "the jobs are in the queue again"
}

verify_undo() {
    sane || return 2
    for name in ${captured_jobs-}; do
        # One whose time has come meanwhile has run.
        if [ ! -e "$queue/$name" ] && [ "$(printf '%d' "0x${name#??????}")" -gt $(($(date +%s) / 60)) ]; then
            echo "the job $name is not in the queue"
            return 1
        fi
    done
    [ ! -e "$folder" ] && echo "the jobs are in the queue again"
}
