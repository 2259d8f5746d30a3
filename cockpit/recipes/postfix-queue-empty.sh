# recipe: See that Postfix's queue is empty, of all domains or of one, and stays so
# group: mail
# danger: none
# undo: nothing to take back
# param: domain only this mail domain (optional)
# param: quiet for how many seconds it has to stay empty (default: 5)
# needs: awk postconf postqueue
# shellcheck shell=sh disable=SC2154

export LC_ALL=C

# One domain, or all.
sane() {
    key=$(printf '%s.' "${domain-}" | tr '[:upper:]' '[:lower:]')
    key=${key%.}
    case $key in
        [.-]* | *. | *[!a-z0-9.-]*)
            echo "no domain name: $domain"
            return 2
            ;;
    esac
    case ${quiet:-0} in
        *[!0-9]*)
            echo "no number: $quiet"
            return 2
            ;;
    esac
}

# The queue for the domain, or all of it: a line with the message's id for each recipient.
# Status 2 when it cannot be seen: that is not an empty one.
queued() {
    { postqueue -p || echo "!unseen"; } | KEY="${key:+@$key}" awk '
        /^!unseen/ { exit 2 }
        /^[0-9A-Za-z]/ { id = $1; sub(/[*!]$/, "", id) }
        /^[ \t]+[^( \t]/ {
            at = tolower($1)
            if (length(at) > length(ENVIRON["KEY"]) && substr(at, length(at) - length(ENVIRON["KEY"]) + 1) == ENVIRON["KEY"]) print id
        }'
}

count() {
    ids=$(queued) || {
        echo "Postfix does not show its queue" >&2
        return 2
    }
    printf '%s\n' "$ids" | grep -c . || :
}

reason() {
    postqueue -p | grep -m 1 '^ *(' | tr -s ' '
}

probe() {
    # It has to be seen now, whatever it was before.
    return 1
}

capture() {
    sane || return 2
    n=$(count) || return 2
    echo "queued=$n"
}

apply() {
    sane || return
    n=$(count) || return 2
    since=$(date +%s)
    while [ "$n" -gt 0 ]; do
        if [ $(($(date +%s) - since)) -ge 20 ]; then
            echo "$n stay in the queue$(reason)"
            return 1
        fi
        sleep 0.2
        was=$n
        n=$(count) || return 2
        [ "$n" -ge "$was" ] || since=$(date +%s)
    done
    echo "nothing is in the queue"
}

verify() {
    sane || return 2
    postfix status > /dev/null 2>&1 || {
        echo "Postfix does not run: what comes is not seen"
        return 2
    }
    until=$(($(date +%s) + ${quiet:-5}))
    while :; do
        n=$(count) || return 2
        if [ "$n" -gt 0 ]; then
            echo "$n in the queue$(reason)"
            return 1
        fi
        [ "$(date +%s)" -lt "$until" ] || break
        sleep 0.2
    done
    echo "the queue stayed empty for ${quiet:-5} s"
}

undo() {
    # It only looked.
    return 0
}
