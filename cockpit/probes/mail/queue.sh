# The mail queue of $mta in a few lines: when it was read, how many messages wait, and the oldest in the server's own words.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
date '+now %s %z'
case ${mta?} in
postfix)
    { postqueue -j 2>&1 || echo "ended $?"; } | awk '
        /^ended [0-9]+$/ { failed = 1; next }
        /^[{]/ {
            n++
            at = 0
            if (match($0, /"arrival_time": *[0-9]+/)) {
                at = substr($0, RSTART, RLENGTH)
                sub(/.*: */, "", at)
                at += 0
            }
            if (n == 1 || at < least) { least = at; line = $0 }
            next
        }
        { other = $0 }
        END {
            if (failed) { print "failed " substr(other, 1, 400); exit }
            print "count " n + 0
            if (n) { printf "arrived %.0f\n", least; print "oldest " substr(line, 1, 65536) }
        }'
    ;;
exim)
    exim=exim
    command -v exim >/dev/null 2>&1 || exim=exim4
    # Sorted by arrival, the oldest first.
    { $exim -bp 2>&1 || echo "ended $?"; } | awk '
        /^ended [0-9]+$/ { failed = 1; next }
        # Of a message whose header cannot be read neither the size nor the sender stands there.
        /^ *[0-9]+[smhdw] +([0-9.]+[KMG]? +)?[0-9A-Za-z]+-[0-9A-Za-z]+-[0-9A-Za-z]+( |$)/ {
            n++
            if (n == 1) {
                line = $0
                match($0, /[0-9A-Za-z]+-[0-9A-Za-z]+-[0-9A-Za-z]+/)
                id = substr($0, RSTART, RLENGTH)
            }
            next
        }
        # What stands further in are its recipients, and what is wrong with it.
        n && /^    / { next }
        !/^ *$/ { other = $0; if (!failed) odd = 1 }
        END {
            if (failed || odd) { print "failed " substr(other, 1, 400); exit }
            print "count " n + 0
            if (n) { print "oldest " substr(line, 1, 400); print "id " id }
        }' | while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
        "id "*)
            # shellcheck disable=SC2086  # its words are what is wanted
            set -f -- $line
            $exim -Mvl "$2" </dev/null 2>&1 | tail -n 20 | cut -c 1-400 | sed 's/^/log /'
            ;;
        esac
    done
    ;;
sendmail)
    { mailq 2>&1 || echo "ended $?"; } | awk '
        /^ended [0-9]+$/ { print; next }
        /Total requests:/ { print; next }
        (size += length($0)) < 262144'
    ;;
esac
