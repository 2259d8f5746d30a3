# recipe: Send the mail of one address elsewhere by Sendmail's virtusertable; on two hosts, the receiver first
# group: mail
# danger: low mail of the address is delivered elsewhere
# undo: restores the entry that was there, or removes it
# param: address the address, as senders write it
# param: target where its mail goes: an address, or a user of this host
# param: table the table of addresses (default: /etc/mail/virtusertable)
# needs: awk flock makemap sendmail
# shellcheck shell=sh disable=SC2154

export LC_ALL=C
tag=virtual

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

sane() {
    sane_address || return
    case $target in
        '' | [@-]* | *@*@* | *@ | *[!A-Za-z0-9@._+=-]*)
            echo "no address or user: $target"
            return 2
            ;;
    esac
    key=$(echo "$address" | tr '[:upper:]' '[:lower:]')
    file=${table:-/etc/mail/virtusertable}
    case $file in
        /*) [ -f "$file" ] && return ;;
    esac
    echo "no file of addresses: $file"
    return 2
}

# Whether Sendmail, asked where the address goes, names the target.
routed() {
    asked
    case "$(echo "$said" | tr '[:upper:]' '[:lower:]') " in
        *"deliverable: "*" user $(echo "$target" | tr '[:upper:]' '[:lower:]') "*) ;;
        *" user ${target%@*} "*) [ "$target" != "${target%@*}" ] && sendmail -bv -- "$target" 2>&1 | grep -qF ", user ${target%@*}" ;;
        *) return 1 ;;
    esac
}

probe() {
    sane && fit || return 2
    routed && [ -n "$(ours)" ] && echo "$address goes to $target"
}

capture() {
    sane && fit || return 2
    printf 'was=%s\n' "$(ours)"
}

apply() {
    sane && fit && change "$key	$target" || return
    routed && echo "mail for $address goes to $target" && return
    change "${captured_was-}"
    echo "Sendmail does not send $address to $target, nothing is changed: $(echo "$said" | tail -n 1)"
    return 1
}

verify() {
    sane && fit || return 2
    if ! routed; then
        echo "Sendmail does not send $address to $target: $(echo "$said" | tail -n 1)"
        return 1
    fi
    sent || return 2
    case $fate in
        *"... Sent"*) echo "a test message to $address left: ${fate#*... }" ;;
        *)
            echo "a test message to $address did not leave: $fate"
            return 1
            ;;
    esac
}

undo() {
    sane && fit && change "${captured_was-}" && echo "mail for $address goes where it went before"
}

verify_undo() {
    sane && fit || return 2
    asked
    [ "$(ours)" = "${captured_was-}" ] && echo "Sendmail says of $address: $(echo "$said" | head -n 1)"
}
