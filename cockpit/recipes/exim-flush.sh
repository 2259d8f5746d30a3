# recipe: Have Exim try at once what is in its queue, of all domains or of one, and count what stays
# group: mail
# danger: low what waited is delivered now
# undo: nothing to take back: what was delivered is delivered
# param: domain only this mail domain (optional)
# param: most how many recipients may stay in the queue (default: 0)
# param: patience for how many seconds nothing may leave the queue before it gives up (default: 20)
# needs: awk exim4
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
    case ${most:-0} in
        *[!0-9]*)
            echo "no number: $most"
            return 2
            ;;
    esac
    case ${patience:-0} in
        *[!0-9]*)
            echo "no number: $patience"
            return 2
            ;;
    esac
}

# Whether Exim takes its configuration: what is broken already is left alone.
fit() {
    exim=$(command -v exim4 || command -v exim) || {
        echo "there is no Exim here"
        return 2
    }
    said=$("$exim" -bV 2>&1) && return
    echo "Exim refuses its configuration, nothing is changed: $(echo "$said" | grep -m 1 -i error)"
    return 2
}

# The queue for the domain, or all of it: a line with the message's id for each recipient that still waits.
# Status 2 when it cannot be seen: that is not an empty one.
queued() {
    { "$exim" -bp || echo "!unseen"; } | KEY="${key:+@$key}" awk '
        /^!unseen/ { exit 2 }
        NF >= 4 && $3 ~ /^[0-9A-Za-z]+-[0-9A-Za-z]+-[0-9A-Za-z]+$/ { id = $3; next }
        NF == 1 {
            at = tolower($1)
            if (length(at) > length(ENVIRON["KEY"]) && substr(at, length(at) - length(ENVIRON["KEY"]) + 1) == ENVIRON["KEY"]) print id
        }'
}

count() {
    ids=$(queued) || {
        echo "Exim does not show its queue" >&2
        return 2
    }
    printf '%s\n' "$ids" | grep -c . || :
}

# Has all that is queued for the domain tried until it is gone, held or not. Gives up when there was no progress for so long.
drained() {
    left=$(count) || return
    since=$(date +%s) tries=0
    while [ "$left" -gt 0 ]; do
        [ $(($(date +%s) - since)) -lt "${patience:-20}" ] || return 1
        if [ $((tries % 10)) = 0 ]; then
            for id in $(queued | sort -u); do "$exim" -M "$id" > /dev/null 2>&1; done
        fi
        tries=$((tries + 1))
        sleep 0.2
        now=$(count) || { left= && return 2; }
        [ "$now" -ge "$left" ] || since=$(date +%s)
        left=$now
    done
}

reason() {
    id=$(queued | head -n 1)
    [ -z "$id" ] || "$exim" -Mvl "$id" 2> /dev/null | tail -n 1 | cut -c 20- | sed 's/^/: /'
}

# How many are left. What only passes through is given a moment.
settled() {
    tries=0
    until
        n=$(count) || return 2
        [ "$n" -le "${most:-0}" ] || [ "$tries" -ge 10 ]
    do
        tries=$((tries + 1))
        sleep 0.2
    done
}

probe() {
    # What is in the queue now may not have been tried.
    return 1
}

capture() {
    sane && fit || return 2
    n=$(count) || return 2
    echo "queued=$n"
}

apply() {
    sane && fit || return
    drained
    settled || return
    echo "${captured_queued:-?} were queued, $n are left$(reason)"
    [ "$n" -le "${most:-0}" ]
}

verify() {
    sane && fit || return 2
    settled || return
    echo "$n in the queue$(reason)"
    [ "$n" -le "${most:-0}" ]
}

undo() {
    echo "what was delivered is delivered"
}

verify_undo() {
    return 0
}
