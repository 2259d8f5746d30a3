# recipe: Put the `at` jobs that the other host has given up into this host's queue, each exactly once
# group: services
# danger: high the jobs run here; what has run is not undone
# undo: takes out again what has not run yet
# param: folder the jobs, as at-stop keeps them
# param: spool where atd keeps its jobs, default /var/spool/cron/atjobs
# needs: atq stat
# shellcheck shell=sh disable=SC2154

sane() {
    case $folder in
        *"
"*) echo "the folder is named over two lines"; return 1 ;;
    esac
    queue=${spool:-/var/spool/cron/atjobs}
    if [ ! -d "$queue" ]; then
        echo "atd keeps no jobs in $queue"
        return 1
    fi
    if [ ! -r "$folder/.owners" ]; then
        echo "there are no jobs at $folder as at-stop keeps them"
        return 1
    fi
    while read -r id name; do
        if [ -n "$id" ] && [ "$(id -u -- "$name" 2> /dev/null)" != "$id" ]; then
            echo "the jobs of $name belong to id $id, which is not $name here"
            return 1
        fi
    done < "$folder/.owners"
}

waiting() {
    # Jobs that are in the folder and have not been taken.
    for job in "$folder"/[A-Za-z][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]????????; do
        if [ -f "$job" ]; then echo "${job##*/}"; fi
    done
}

woken() {
    if [ -r /run/atd.pid ]; then kill -s HUP "$(cat /run/atd.pid)" 2> /dev/null; fi
    return 0
}

free_name() {
    # The job's own number, or the next that no other job has here.
    letter=$(printf %.1s "$1") rest=${1#?}
    at=${rest#?????} number=${rest%????????}
    while [ -n "$(find "$queue" -name "?$number*" -o -name ".cockpit-?$number*")" ]; do
        number=$(printf '%05x' $(((0x$number + 1) % 1048576)))
    done
    echo "$letter$number$at"
}

each_taken() {
    # Calls $1 with each job that was taken: its name in the folder and in the queue.
    for record in "$folder"/*.taken-*; do
        [ -f "$record" ] || continue
        name=${record##*/}
        "$1" "${name%.taken-*}" "${name##*.taken-}" || return
    done
}

shown() {
    # A job appears under its name only after it is no longer one that waits.
    if [ -e "$queue/.cockpit-$2" ]; then mv "$queue/.cockpit-$2" "$queue/$2"; fi
}

probe() {
    sane || return 2
    [ -z "$(waiting)" ] && [ -z "$(ls "$queue"/.cockpit-* 2> /dev/null)" ]
}

capture() {
    sane || return
    echo "jobs=$(waiting | wc -l | tr -d ' ')"
}

apply() {
    sane || return
    # What was cut off after its record is shown; what has no record was never taken.
    each_taken shown || return
    rm -f "$queue"/.cockpit-* || return
    late=0
    for name in $(waiting); do
        as=$(free_name "$name") || return
        cp -p "$folder/$name" "$queue/.cockpit-$as" &&
            mv "$folder/$name" "$folder/$name.taken-$as" && shown "$name" "$as" || return
        [ "$(printf '%d' "0x${name#??????}")" -gt $(($(date +%s) / 60)) ] || late=$((late + 1))
    done
    woken
    echo "$(find "$folder" -name '*.taken-*' | wc -l | tr -d ' ') jobs are in the queue, $late are late and run at once"
}

in_queue() {
    # As `atq` tells it; one whose time has come has run or runs.
    number=$(printf '%d' "0x$(printf %.6s "$2" | cut -c 2-)")
    minute=$(printf '%d' "0x${2#??????}")
    if [ "$minute" -gt $((now / 60)) ] && ! printf '%s\n' "$told" | awk '{ print $1 }' | grep -qx "$number"; then
        echo "the job $number is not in the queue"
        return 1
    fi
    jobs=$((jobs + 1))
}

verify() {
    sane || return 2
    told=$(atq) || return 2
    now=$(date +%s) jobs=0
    if [ -n "$(waiting)" ]; then
        echo "not taken: $(waiting | wc -l | tr -d ' ') jobs"
        return 1
    fi
    each_taken in_queue || return 1
    if ! cat /proc/[0-9]*/comm 2> /dev/null | grep -qx atd; then
        echo "the jobs are in the queue, but no atd is running"
        return 1
    fi
    echo "$jobs jobs are in the queue or have run, and atd is running"
}

given_back() {
    # Out of sight of atd first, then one that waits again.
    if [ -e "$queue/$2" ]; then mv "$queue/$2" "$queue/.cockpit-$2" || return; fi
    if [ -e "$queue/.cockpit-$2" ]; then
        mv "$folder/$1.taken-$2" "$folder/$1" && rm "$queue/.cockpit-$2"
    else
        ran=$((ran + 1))
    fi
}

undo() {
    sane || return
    ran=0
    each_taken given_back || return
    rm -f "$queue"/.cockpit-* || return
    woken
    if [ "$ran" != 0 ]; then echo "$ran jobs have run here, which is not undone"; else echo "the jobs are out of the queue"; fi
}

verify_undo() {
    sane || return 2
    ran=0
    if [ -n "$(each_taken still_there)" ]; then
        echo "a job is still in the queue"
        return 1
    fi
    echo "no job of the other host waits in the queue"
}

still_there() {
    if [ -e "$queue/$2" ] || [ -e "$queue/.cockpit-$2" ]; then echo "$2"; fi
}
