# recipe: Release the mail of one domain that postfix-hold holds, and see it delivered
# group: mail
# danger: high what is delivered now is on this host only
# undo: holds again
# param: domain the mail domain
# param: address an address in the domain for a test message
# param: box the mailbox of that address: a file or a Maildir
# param: map the transport table as `type:path` (default: the first of transport_maps that is a file)
# param: patience for how many seconds nothing may leave the queue before it gives up (default: 20)
# needs: awk flock postconf postmap postqueue postsuper
# shellcheck shell=sh disable=SC2154

export LC_ALL=C
tag=hold
# A next hop that nobody is: what comes waits in the queue. The service `retry` would do that only for what is handed in here,
# since Postfix refuses at RCPT what comes from outside for it, and the other host would have to keep it.
held="lmtp:unix:held-for-the-cutover"

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

# Which table it is: `map`, or the first in a file that Postfix asks.
find_table() {
    command -v postconf > /dev/null || {
        echo "there is no Postfix here"
        return 2
    }
    spec=${map:-}
    if [ -z "$spec" ]; then
        spec=$({ postconf -xh transport_maps || postconf -h transport_maps; } 2> /dev/null | tr ', ' '\n' |
            grep -E -m 1 '^(hash|btree|texthash|lmdb|cdb):/') || {
            echo "transport_maps names no table in a file: set it, make the table, reload Postfix, and come again"
            return 2
        }
    fi
    type=${spec%%:*} file=${spec#*:}
    case $type in
        hash | btree | texthash | lmdb | cdb) ;;
        *)
            echo "$type is no table that can be edited"
            return 2
            ;;
    esac
    [ -f "$file" ] && return
    echo "$file, the table of transport_maps, does not exist"
    return 2
}

# Whether a reload would find nothing that stops it: both files are read as the daemons read them. (`postfix check` reads no
# master.cf.) What is broken already is not ours to reload.
fit() {
    said=$({ postconf -n && postconf -M; } 2>&1 > /dev/null | grep -E -m 1 'fatal|error') && {
        echo "Postfix refuses its configuration, nothing is changed: ${said#*: }"
        return 1
    }
    postfix status > /dev/null 2>&1 && return
    echo "Postfix does not run, nothing is changed"
    return 1
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

# Gives the table our line $1, which must answer $2, or takes ours away; built and asked beside it first. One at a time.
change() {
    latch postfix && (flock 9 && changed "$@" 9>&-) 9>> "$latch"
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
    leave
    eol=1
    [ -z "$(tail -c 1 "$file")" ] || eol=
    { cp -p "$file" "$file.new" && rewritten "$1" "$eol" < "$file" > "$file.new"; } || {
        leave
        return 1
    }
    if [ "$type" = texthash ]; then
        # Postfix waits until such a file is more than a second old: somebody may still be writing it.
        touch -r "$file" "$file.new"
    else
        said=$(postmap "$type:$file.new" 2>&1) || {
            leave
            echo "the table cannot be built: $said"
            return 1
        }
    fi
    answer=$(postmap -q "$key" "$type:$file.new" 2> /dev/null)
    if [ -n "$1" ] && [ "$answer" != "$2" ]; then
        leave
        echo "the new table answers '$answer' for $key, so the old one stays"
        return 1
    fi
    for suffix in db lmdb cdb; do
        if [ -f "$file.new.$suffix" ]; then mv "$file.new.$suffix" "$file.$suffix" || return; fi
    done
    placed && said=$(postfix reload 2>&1) && return
    echo "Postfix was not reloaded: ${said-}"
    return 1
}

leave() {
    rm -f "$file.new" "$file.new.db" "$file.new.lmdb" "$file.new.cdb"
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

# Has all that is queued for the domain tried until it is gone. Gives up when there was no progress for so long.
drained() {
    left=$(count) || return
    since=$(date +%s) tries=0
    while [ "$left" -gt 0 ]; do
        [ $(($(date +%s) - since)) -lt "${patience:-20}" ] || return 1
        if [ $((tries % 10)) = 0 ]; then
            for id in $(queued | sort -u); do postqueue -i "$id" 2> /dev/null; done
        fi
        tries=$((tries + 1))
        sleep 0.2
        now=$(count) || { left= && return 2; }
        [ "$now" -ge "$left" ] || since=$(date +%s)
        left=$now
    done
}

# Hands in a test message; its sender tells it from all others.
sent() {
    token="cockpit-$(date +%s)-$$@$key"
    printf 'From: <%s>\nTo: <%s>\nSubject: a test of the cutover\n\n%s\n' "$token" "$address" "$token" |
        "$(postconf -h sendmail_path)" -i -N never -f "$token" -- "$address" && return
    echo "Postfix takes no test message"
    return 2
}

# Whether the test message waits in the queue because of the hold; it is removed then.
waits() {
    tries=0 gone=0
    while [ "$tries" -lt 150 ] && [ "$gone" -lt 10 ]; do
        listed=$(postqueue -p) || {
            echo "Postfix does not show its queue"
            return 2
        }
        found=$(printf '%s\n' "$listed" | TOKEN=$token awk '
            /^[0-9A-Za-z]/ { mine = tolower($NF) == ENVIRON["TOKEN"]; id = $1; sub(/[*!]$/, "", id); if (mine) print id, "" }
            mine && /^[ \t]*\(/ { print id, $0 }' | tail -n 1)
        case $found in
            *held-for-the-cutover*)
                postsuper -d "${found%% *}" > /dev/null 2>&1
                echo "a test message to $address stays in the queue"
                return
                ;;
            '') gone=$((gone + 1)) ;;
            *) gone=0 ;;
        esac
        tries=$((tries + 1))
        sleep 0.2
    done
    echo "a test message to $address did not stay in the queue"
    return 1
}

probe() {
    sane && find_table || return 2
    if [ -n "$(ours)" ]; then return 1; fi
    echo "$domain is not held"
}

capture() {
    sane && sane_address && find_table || return 2
    n=$(count) || return 2
    echo "held=$n"
}

apply() {
    sane && sane_address && fit && find_table && change "" || return
    drained && echo "released: ${captured_held:-all} left the queue" && return
    echo "released, but ${left:-an unknown number} of ${captured_held:-?} are still in the queue: $(postqueue -p | grep -m 1 '^ *(')"
    return 1
}

verify() {
    sane && sane_address && find_table || return 2
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
    sane && fit && find_table && change "$key $held" "$held" && echo "mail for $domain stays in the queue again"
}

verify_undo() {
    sane && sane_address && sent || return 2
    waits
}
