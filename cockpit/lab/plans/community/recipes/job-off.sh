# recipe: Stop a job of this host: its line stays, behind a mark
# group: lab
# danger: low the job runs no more
# undo: starts it again
# param: job the job's file in etc/cron.d
# param: line its line
# param: mark a file that grows with each run
# needs: grep
# shellcheck shell=sh disable=SC2154

probe() {
    [ ! -e "etc/cron.d/$job" ]
}

capture() {
    if [ -e "etc/cron.d/$job" ]; then
        grep -qxF -e "$line" "etc/cron.d/$job" || {
            echo "the job $job has another line here: $(head -n 1 "etc/cron.d/$job")" >&2
            return 1
        }
        echo "was=on"
    else echo "was=off"; fi
}

apply() {
    probe && echo "$job is off already" && return
    mv "etc/cron.d/$job" "etc/cron.d/$job.off" && echo "$job is off"
}

verify() {
    probe || return 1
    # A run that has begun comes to its end.
    tries=0
    while before=$(cat "$mark") && sleep 0.5 && [ "$before" != "$(cat "$mark")" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 40 ]; then
            echo "$job still runs"
            return 1
        fi
    done
    echo "$job is off; it has run $(wc -l < "$mark" | tr -d ' ') times"
}

undo() {
    if [ "${captured_was-}" = on ] && [ -e "etc/cron.d/$job.off" ]; then mv "etc/cron.d/$job.off" "etc/cron.d/$job"; fi
}

verify_undo() {
    if [ "${captured_was-}" = on ]; then ! probe; else probe; fi
}
