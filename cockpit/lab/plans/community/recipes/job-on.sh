# recipe: Start a job on this host, and see it run
# group: lab
# danger: low the job runs here
# undo: stops it again
# param: job the job's file in etc/cron.d
# param: line its line
# param: mark a file that grows with each run
# needs: grep
# shellcheck shell=sh disable=SC2154

probe() {
    [ -e "etc/cron.d/$job" ] && grep -qxF -e "$line" "etc/cron.d/$job"
}

capture() {
    if [ -e "etc/cron.d/$job" ]; then echo "was=on"; else echo "was=off"; fi
}

apply() {
    printf '%s\n' "$line" > "etc/cron.d/$job.new" && mv "etc/cron.d/$job.new" "etc/cron.d/$job" && echo "$job is on"
}

verify() {
    before=$(wc -l < "$mark") tries=0
    until [ "$(wc -l < "$mark")" -gt "$before" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 300 ] || {
            echo "$job did not run within a minute"
            return 1
        }
        sleep 0.2
    done
    echo "$job has run, $(wc -l < "$mark" | tr -d ' ') times in all, the last time on $(tail -n 1 "$mark")"
}

undo() {
    if [ "${captured_was-}" = off ]; then rm -f "etc/cron.d/$job" "etc/cron.d/$job.new"; fi
}

verify_undo() {
    if [ "${captured_was-}" = off ]; then ! probe; else probe; fi
}
