# recipe: Release the mail of one domain that exim-hold holds, and see it delivered
# group: mail
# danger: high what is delivered now is on this host only
# undo: holds again
# param: domain the mail domain
# param: address an address in the domain for a test message
# param: box the mailbox of that address: a file or a Maildir
# param: holds the file of held domains (default: the one that hold_domains names)
# param: patience for how many seconds nothing may leave the queue before it gives up (default: 20)
# needs: awk exim4 flock
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

# Which file it is: `holds`, or what hold_domains names.
find_table() {
    file=${holds:-}
    [ -n "$file" ] || file=$("$exim" -bP hold_domains 2> /dev/null | grep -o 'lsearch;/[^ :{}]*' | head -n 1)
    file=${file#lsearch;}
    case $file in
        /*) ;;
        *)
            echo "Exim has no list of held domains: add \"hold_domains = lsearch;/etc/exim4/hold_domains\" and make that file"
            return 2
            ;;
    esac
    [ -f "$file" ] && return
    echo "$file, the list of held domains, does not exist"
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

# Gives the file our line $1, or takes ours away, and with it the file if it was not there before. One at a time. Exim reads it
# anew for each message.
change() {
    latch exim && (flock 9 && changed "$@" 9>&-) 9>> "$latch"
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
    rm -f "$file.new"
    if [ -z "$1" ] && [ ! -f "$file" ]; then return; fi
    eol=1
    [ -f "$file" ] || : > "$file" || return
    [ -z "$(tail -c 1 "$file")" ] || eol=
    { cp -p "$file" "$file.new" && rewritten "$1" "$eol" < "$file" > "$file.new" && placed; } || {
        rm -f "$file.new"
        echo "$file cannot be written"
        return 1
    }
    if [ ! -s "$file" ] && [ "${fresh:-}" = 1 ]; then rm -f "$file"; fi
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

# Removes the test message, which the daemon may have in hand just now, or may have delivered.
unsent() {
    [ -n "$id" ] || return 0
    for _ in 1 2 3 4 5; do
        if "$exim" -Mrm "$id" > /dev/null 2>&1; then return; fi
        sleep 0.2
    done
}

# Hands in a test message and has it delivered at once: what became of it, as Exim logs it, in `fate`. One that waits or fails
# is removed.
sent() {
    id=
    for try in 1 2 3; do
        unsent
        token="cockpit-$(date +%s)-$$-$try"
        said=$(printf 'From: <>\nTo: <%s>\nSubject: a test of the cutover\n\n%s\n' "$address" "$token" |
            "$exim" -i -odf -v -f '<>' -- "$address" 2>&1)
        id=$(echo "$said" | awk '$1 == "delivering" { print $2; exit }')
        fate=$(echo "$said" | sed -n 's/^ *\(\(=>\|==\|\*\*\) .*\)/\1/p' | head -n 1)
        # A run of the daemon's through its queue may be faster, and what became of the message is not told here then.
        case $fate:$said in :*[Ss]'pool file '*) ;; *) break ;; esac
    done
    if [ -z "$id" ] || [ -z "$fate" ]; then
        unsent
        echo "Exim takes no test message: $(echo "$said" | tail -n 1)"
        return 2
    fi
    case $fate in
        '=>'*) ;;
        *) unsent ;;
    esac
}

# Whether the test message waits because of the hold.
waits() {
    case $fate in
        *"domain is held"*)
            echo "a test message to $address stays in the queue"
            return
            ;;
    esac
    echo "a test message to $address did not stay in the queue: $fate"
    return 1
}

probe() {
    sane && fit && find_table || return 2
    if [ -n "$(ours)" ]; then return 1; fi
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
    sane && fit && find_table && change "$key: held for the cutover" && echo "mail for $domain stays in the queue again"
}

verify_undo() {
    sane && sane_address && fit && sent || return 2
    waits
}
