# recipe: Hand the mail of one domain from Sendmail on to another host
# group: mail
# danger: low mail of the domain is delivered elsewhere
# undo: restores the entry that was there, or removes it
# param: domain the mail domain
# param: target the host that gets it, a HOST
# param: address an address in the domain for a test message
# param: table the table of domains and their mailers (default: /etc/mail/cutover)
# needs: awk flock makemap sendmail
# shellcheck shell=sh disable=SC2154

# Sendmail has to be told once, in sendmail.mc, before MAILER_DEFINITIONS (blanks before `$` are tabs; make the table and its map
# first: touch /etc/mail/cutover; makemap hash /etc/mail/cutover < /etc/mail/cutover):
#     LOCAL_CONFIG
#     Kcutover hash -o /etc/mail/cutover
#     LOCAL_RULE_0
#     R$+ < @ $* $~. >          $: $1 < @ $2 $3 . >
#     R$+ < @ $+ . >            $: $(cutover $2 $: @ $) $| $1 < @ $2 . >
#     R@ $| $+                  $: $1
#     R$- : $+ $| $+ < @ $+ . > $# $1 $@ $2 $: $3 < @ $4 . >
# /etc/mail/mailertable does as well, for a domain that is not in local-host-names.
export LC_ALL=C
tag=redirect

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

# Takes HOST and [HOST] apart. Another port would take a mailer of its own.
next_hop() {
    host=$1 port=25
    case $1 in
        \[*\]:*) host=${1%:*} port=${1##*:} ;;
        \[* | *:*:*) ;;
        *:*) host=${1%:*} port=${1##*:} ;;
    esac
    host=${host#\[} host=${host%\]}
    case $host in
        '' | [.-]* | *[!A-Za-z0-9.:-]*) port= ;;
    esac
    case $port in
        25) return ;;
    esac
    echo "no host (on port 25): $1"
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

# Whether Sendmail, asked where the address goes, names the target.
routed() {
    asked
    case $said in
        *"mailer esmtp, host [$host],"*) ;;
        *) return 1 ;;
    esac
}

# Refuses to go over a hold: what waits would still be held, or be forgotten by it.
not_held() {
    grep -qxF "# cockpit hold $key" "$file" || return 0
    echo "mail for $domain is held here: release it or undo the hold first; to have it wait during a move, hold it on $target"
    return 1
}

probe() {
    sane && sane_address && next_hop "$target" && fit && find_table || return 2
    routed && echo "$domain goes to $target"
}

capture() {
    sane && sane_address && next_hop "$target" && fit && find_table || return 2
    printf 'was=%s\n' "$(ours)"
}

apply() {
    sane && sane_address && next_hop "$target" && fit && find_table || return
    not_held || return
    change "$key	esmtp:[$host]" || return
    routed && echo "mail for $domain goes to $target" && return
    change "${captured_was-}"
    echo "Sendmail does not ask $file for $address, nothing is changed; it needs the lines at the top of this recipe: $(echo "$said" | tail -n 1)"
    return 1
}

verify() {
    sane && sane_address && next_hop "$target" && fit && sent || return 2
    case $fate in
        *"... Sent ("*) routed && echo "a test message to $address went to $target" && return ;;
    esac
    echo "a test message to $address is not with $target: $fate"
    return 1
}

undo() {
    sane && fit && find_table && { [ -z "${captured_was-}" ] || not_held; } && change "${captured_was-}" && echo "mail for $domain goes where it went before"
}

verify_undo() {
    sane && sane_address && next_hop "$target" && fit || return 2
    if routed; then
        echo "$domain still goes to $target"
        return 1
    fi
    echo "$domain no longer goes to $target: $(echo "$said" | tail -n 1)"
}
