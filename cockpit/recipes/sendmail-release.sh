# recipe: Release the mail of one domain that sendmail-hold holds, and see it delivered
# group: mail
# danger: high what is delivered now is on this host only
# undo: holds again
# param: domain the mail domain
# param: address an address in the domain for a test message
# param: box the mailbox of that address: a file or a Maildir
# param: table the table of domains and their mailers (default: /etc/mail/cutover)
# param: patience for how many seconds nothing may leave the queue before it gives up (default: 20)
# needs: awk flock makemap sendmail
# shellcheck shell=sh disable=SC2154

export LC_ALL=C
tag=hold

# Refuses what could be no part of a table or of a command line.
sane() {
    key=$(printf '%s.' "$domain" | tr '[:upper:]' '[:lower:]')
    key=${key%.}
    case $key in
        '' | [.-]* | *. | *[!a-z0-9.-]*)
            echo "no domain name: $domain"
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

# Refuses what could be no part of a command line.
sane_address() {
    case $address in
        [@-]* | *@*@* | *@ | *[!A-Za-z0-9@._+=-]*) ;;
        *@*) return ;;
    esac
    echo "no address: $address"
    return 2
}

# Whether Sendmail takes its configuration: what is broken already is left alone.
fit() {
    said=$(echo '=M' | sendmail -bt 2>&1)
    case $said in
        *"sendmail.cf: line"* | *"annot open"*) ;;
        *"mailer 0 "*) return ;;
    esac
    echo "Sendmail refuses its configuration, nothing is changed: $(echo "$said" | head -n 1)"
    return 2
}

find_table() {
    file=${table:-/etc/mail/cutover}
    case $file in
        /*) [ -f "$file" ] && return ;;
    esac
    echo "no table: $file"
    return 2
}

# The table on standard input with the line $1 for the key on its top, and what stood there for the key made a comment. Without
# a line ours goes, also as a comment of another of ours above it, and the comment is an entry again. Nothing else changes.
rewritten() {
    KEY=$key LINE=$1 TAG=$tag EOL=$2 awk '
        function name(text) { sub(/[ \t:].*/, "", text); return tolower(text) }
        function put(text) { printf "%s%s", sep, text; sep = "\n" }
        function bare(text,  at) {
            while (index(text, "#cockpit ") == 1 && (at = index(text, " " key "# "))) text = substr(text, at + length(key) + 3)
            return text
        }
        BEGIN {
            key = ENVIRON["KEY"]; mine = "# cockpit " ENVIRON["TAG"] " " key; was = "#cockpit " ENVIRON["TAG"] " " key "# "
            if (ENVIRON["LINE"] != "") { put(mine); put(ENVIRON["LINE"]) }
        }
        # Another of ours that came later stands above, and has made a comment of what it found.
        !above && index($0, "# cockpit ") == 1 && split($0, word, " ") == 4 && word[4] == key && $0 != mine {
            if (!mined && ENVIRON["LINE"] == "") above = "#cockpit " word[3] " " key "# "
        }
        $0 == mine { ours = mined = 1; next }
        ours { ours = 0; if (name(bare($0)) == key) next }
        index($0, was) == 1 { $0 = above substr($0, length(was) + 1) }
        ENVIRON["LINE"] != "" && /[^ \t]/ && !/^[ \t]*#/ {
            # A line that begins with a blank belongs to the entry above it.
            if (!/^[ \t]/) entry = name($0) == key
            if (entry) $0 = was $0
        }
        { put($0) }
        END { if (sep != "" && (ENVIRON["EOL"] || NR == 0)) printf "\n" }'
}

# Our line in the table, if there is one.
ours() {
    KEY=$key TAG=$tag awk '
        below { entry = $0; sub(/[ \t:].*/, "", entry); if (tolower(entry) == ENVIRON["KEY"]) print; exit }
        $0 == "# cockpit " ENVIRON["TAG"] " " ENVIRON["KEY"] { below = 1 }' "$file"
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

# Gives the table our line $1, or takes ours away; its map is built beside it first. One at a time. Sendmail sees a new map by
# itself.
change() {
    latch sendmail && (flock 9 && changed "$@" 9>&-) 9>> "$latch"
}

# The new table takes the place of the old one; a link stays, and what it leads to is replaced.
placed() {
    if [ ! -L "$file" ]; then
        mv "$file.new" "$file"
        return
    fi
    real=$(readlink -f -- "$file") && cp -p "$file.new" "$real.new" && mv "$real.new" "$real" && rm -f "$file.new"
}

changed() {
    rm -f "$file.new" "$file.new.db"
    eol=1
    [ -z "$(tail -c 1 "$file")" ] || eol=
    # The map keeps its owner and mode.
    [ ! -f "$file.db" ] || cp -p "$file.db" "$file.new.db" || return
    said=''
    { cp -p "$file" "$file.new" && rewritten "$1" "$eol" < "$file" > "$file.new" &&
        said=$(makemap hash "$file.new.db" < "$file.new" 2>&1) && mv "$file.new.db" "$file.db" && placed; } && return
    rm -f "$file.new" "$file.new.db"
    echo "the table cannot be built, the old one stays: $said"
    return 1
}

# Where Sendmail would send the address now.
asked() {
    said=$(sendmail -bv -- "$address" 2>&1)
}

# The queue for the domain, or all of it: a line with the message's id for each recipient.
# Status 2 when it cannot be seen: that is not an empty one.
queued() {
    { sendmail -bp || echo "!unseen"; } | KEY="${key:+@$key}" awk '
        /^!unseen/ { exit 2 }
        /^[0-9A-Za-z]+[*X-]* +[0-9]/ { id = $1; sub(/[*X-]+$/, "", id) }
        /^[ \t]/ && NF == 1 && /@/ && !/\(/ {
            at = tolower($1); gsub(/[<>]/, "", at)
            if (length(at) > length(ENVIRON["KEY"]) && substr(at, length(at) - length(ENVIRON["KEY"]) + 1) == ENVIRON["KEY"]) print id
        }'
}

count() {
    ids=$(queued) || {
        echo "Sendmail does not show its queue" >&2
        return 2
    }
    printf '%s\n' "$ids" | grep -c . || :
}

# Has all that is queued for the domain tried until it is gone. Gives up when there was no progress for so long.
drained() {
    left=$(count) || return
    since=$(date +%s) tries=0
    while [ "$left" -gt 0 ]; do
        [ $(($(date +%s) - since)) -lt "${patience:-20}" ] || return 1
        if [ $((tries % 10)) = 0 ]; then sendmail -q${key:+R@$key} -v < /dev/null > /dev/null 2>&1; fi
        tries=$((tries + 1))
        sleep 0.2
        now=$(count) || { left= && return 2; }
        [ "$now" -ge "$left" ] || since=$(date +%s)
        left=$now
    done
}

reason() {
    sendmail -bp | grep -m 1 '^ *(' | tr -s ' '
}

# Hands in a test message and has it delivered at once: what became of it, as Sendmail tells it, in `fate`. One that waits is
# removed.
sent() {
    token="cockpit-$(date +%s)-$$"
    said=$(printf 'From: <%s@localhost>\nTo: <%s>\nSubject: a test of the cutover\n\n%s\n' "$token" "$address" "$token" |
        sendmail -i -odi -v -N never -f "$token@localhost" -- "$address" 2>&1)
    fate=$(echo "$said" | grep -E '\.\.\. (Sent|Deferred|User unknown|Host unknown|Service unavailable)' | tail -n 1)
    queue=$(sed -n 's/^O QueueDirectory=//p' /etc/mail/sendmail.cf | head -n 1)
    tries=0
    while [ "$tries" -lt 20 ]; do
        tries=$((tries + 1))
        listed=$(sendmail -bp) || { echo "Sendmail does not show its queue, where a test message may stay" && return 2; }
        id=$(printf '%s\n' "$listed" | TOKEN="$token@" awk 'index($0, ENVIRON["TOKEN"]) { id = $1; sub(/[X-]+$/, "", id); print id; exit }')
        case $id in
            '') break ;;
            # It is being tried, and would be written again behind our back.
            *\*) sleep 1 ;;
            *[!0-9A-Za-z]*) break ;;
            *) find "${queue:-/var/spool/mqueue}" -type f -name "[A-Za-z]f$id" -exec rm -f {} + ;;
        esac
    done
    [ -z "$id" ] || { echo "the test message $id from $token@localhost stays in the queue: remove it" && return 2; }
    [ -n "$fate" ] && return
    echo "Sendmail takes no test message: $(echo "$said" | tail -n 1)"
    return 2
}

# Whether the test message waited because of the hold.
waits() {
    asked
    case $said:$fate in
        *"mailer hold,"*:*Deferred*)
            echo "a test message to $address stays in the queue"
            return
            ;;
    esac
    echo "a test message to $address did not stay in the queue: $fate"
    return 1
}

hold() {
    change "$key	hold:held"
}

held() {
    case $(ours) in *hold:held) ;; *) return 1 ;; esac
}

probe() {
    sane && fit && find_table || return 2
    if held; then return 1; fi
    echo "$domain is not held"
}

capture() {
    sane && sane_address && fit && find_table || return 2
    n=$(count) || return 2
    echo "held=$n"
}

apply() {
    sane && sane_address && fit && find_table && change "" || return
    drained && echo "released: ${captured_held:-all} left the queue" && return
    echo "released, but ${left:-an unknown number} of ${captured_held:-?} are still in the queue$(reason)"
    return 1
}

verify() {
    sane && sane_address && fit && find_table || return 2
    [ -e "$box" ] || [ -d "$(dirname "$box")" ] || {
        echo "there is no $box"
        return 2
    }
    sent || return 2
    tries=0
    until grep -rqF -e "$token" -- "$box" 2> /dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "a test message to $address did not reach $box"
            return 1
        fi
        sleep 0.2
    done
    left=$(count) || return 2
    echo "a test message to $address arrived, $left in the queue"
    [ "$left" = 0 ]
}

undo() {
    sane && fit && find_table && hold && echo "mail for $domain stays in the queue again"
}

verify_undo() {
    sane && sane_address && fit && sent || return 2
    waits
}
