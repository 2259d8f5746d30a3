# What lies in the mailbox $path, a Maildir or an mbox file, read on from where the last reading ended.
#
# began: the second at which the run began by the clock of this host; where that is not known yet, elapsed are the seconds since.
# tokens: a line for each message of our own that is looked for, and recent: minutes in which it may have come to a Maildir (0:
# none is looked for). offset, inode, blank, print: where the last reading of an mbox ended, what file that was, whether the line
# before was empty, and a checksum of what stood before. offset -1: from its end on. window: bytes to read at the most.
LC_ALL=C
export LC_ALL
: "${path?}" "${elapsed?}" "${recent?}" "${tokens?}" "${window?}"
[ -n "$began" ] || began=$(($(date +%s) - elapsed))
echo "began $began"

if [ -d "$path" ]; then
    if [ ! -d "$path/new" ] || [ ! -d "$path/cur" ]; then
        echo "unreadable $path is a folder and no Maildir"
        exit
    fi
    # Its subfolders are Maildirs in it whose names begin with a dot (Maildir++): filters of a server sort mail into them.
    set -- "$path"
    for folder in "$path"/.[!.]*; do
        if [ -d "$folder" ] && { [ ! -x "$folder" ] || [ -d "$folder/new" ] || [ -d "$folder/cur" ]; }; then
            set -- "$@" "$folder"
        fi
    done
    if [ $# -gt 1000 ]; then
        echo "unreadable $path has more than 1000 folders"
        exit
    fi
    for box in "$@"; do
        shift
        for folder in "$box" "$box/new" "$box/cur"; do
            if [ -d "$folder" ] && ! { [ -r "$folder" ] && [ -x "$folder" ]; }; then
                echo "unreadable $folder may not be read"
                exit
            fi
            case $folder in "$box") ;; *) [ ! -d "$folder" ] || set -- "$@" "$folder" ;; esac
        done
    done
    # A name in a Maildir begins with the second of its delivery.
    find "$@" -type f | awk -F/ -v began="$began" '
        { n++; at = $NF + 0; if (at > newest) newest = at; if (at >= began) since++ }
        END { printf "maildir %d %d %.0f\n", n, since, newest }'
    if [ "$recent" -gt 0 ]; then
        find "$@" -type f -size -128 -mmin "-$recent" -exec grep -lF -e "$tokens" {} + |
            tail -n 250 | while IFS= read -r file; do
            awk '/^\r?$/ { exit } { if ((size += length($0)) > 8192) exit; print "h " $0 }' "$file"
            echo .
        done | head -c 400000
    fi
    exit
fi
if [ ! -e "$path" ]; then
    echo absent
    exit
fi
if [ ! -f "$path" ] || [ ! -r "$path" ]; then
    echo "unreadable $path may not be read, or is no file"
    exit
fi

mark() {
    # What stands in the 4 KiB before an offset.
    length=$1
    [ "$length" -le 4096 ] || length=4096
    tail -c "+$(($1 - length + 1))" "$path" | head -c "$length" | cksum | tr ' ' :
}

# shellcheck disable=SC2012,SC2046  # stat has no portable form; its words are what is wanted
set -f -- $(ls -dniL "$path" | awk '{ print $1, $6 }')
inode_now=$1 size=$2
if [ "$offset" -lt 0 ]; then
    offset=$size inode=$inode_now blank=1 print=$(mark "$size")
fi
if [ "$inode" != "$inode_now" ] || [ "$size" -lt "$offset" ] || [ "$print" != "$(mark "$offset")" ]; then
    offset=0 blank=1
fi
zone=$(date +%z)
# The last line waits for the next reading: it may not be whole yet. So does a message whose header is not.
tail -c "+$((offset + 1))" "$path" | head -c "$window" | tr '\000' '?' |
    awk -v start="$offset" -v blank="$blank" -v began="$began" -v zone="$zone" -v window="$window" -v looked="$recent" '
        BEGIN {
            at = start
            split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names, " ")
            for (i in names) month[names[i]] = i
            east = (substr(zone, 2, 2) * 60 + substr(zone, 4, 2)) * 60
            if (substr(zone, 1, 1) == "-") east = -east
        }
        NR > 1 { take(last) }
        { last = $0 }
        END {
            if (NR == 1 && length(last) >= window) { at += window; blank = 0 }
            if (heading && looked) { at = begin; n = n0; since = since0; newest = newest0; blank = 1 }
            printf "read %.0f %.0f %d %d %d %.0f\n", start, at, blank, n, since, newest
        }
        function take(line) {
            sub(/\r$/, "", line)
            if (blank && line ~ /^From /) {
                heading = 1; ours = 0; head = ""; begin = at; n0 = n; since0 = since + 0; newest0 = newest
                n++
                when = moment(line)
                if (when > newest) newest = when
                if (when >= began) since++
            } else if (heading && (line == "" || length(head) > 8192)) {
                if (ours && looked && (shown += length(head)) < 400000) printf "%s.\n", head
                heading = 0
            } else if (heading) {
                if (tolower(substr(line, 1, 17)) == "x-cutover-token: ") ours = 1
                head = head "h " line "\n"
            }
            at += length(last) + 1
            blank = line == ""
        }
        function moment(line,   words, count, i, clock, year, y, m, era, part) {
            # `From SENDER Sat Nov 21 22:00:00 2026`, in local time; a zone may stand in it, which is passed over.
            count = split(line, words, " ")
            for (i = 3; i + 2 <= count; i++) {
                if (!(words[i] in month) || words[i + 2] !~ /^[0-9]+:[0-9]+/) continue
                for (year = i + 3; year <= count; year++) if (words[year] ~ /^[0-9][0-9][0-9][0-9]$/) break
                if (year > count) return 0
                split(words[i + 2], clock, ":")
                y = words[year] + 0; m = month[words[i]] + 0
                if (m <= 2) y--
                era = int(y / 400)
                part = y - era * 400
                m = m > 2 ? m - 3 : m + 9
                part = part * 365 + int(part / 4) - int(part / 100) + int((153 * m + 2) / 5) + words[i + 1] - 1
                return (era * 146097 + part - 719468) * 86400 + clock[1] * 3600 + clock[2] * 60 + clock[3] - east
            }
            return 0
        }' | while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
    "read "*)
        # shellcheck disable=SC2086  # its words are what is wanted
        set -f -- $line
        printf 'mbox %s %s %s\n' "$inode_now" "$size" "$(mark "$3")"
        ;;
    esac
done
