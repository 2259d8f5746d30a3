# recipe: Send the mail of one address elsewhere by Exim's virtual file; on two hosts, the receiver first
# group: mail
# danger: low mail of the address is delivered elsewhere
# undo: restores the entry that was there, or removes it
# param: address the address, as senders write it
# param: target where its mail goes: an address, or a user of this host
# param: table the file of addresses (default: /etc/exim4/virtual)
# needs: awk exim4 flock
# shellcheck shell=sh disable=SC2154

# Exim needs a router that reads the file, before that for local users:
#     virtual:
#       driver = redirect
#       data = ${lookup{$local_part@$domain}lsearch{/etc/exim4/virtual}}
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

sane() {
    sane_address || return
    case $target in
        '' | [@-]* | *@*@* | *@ | *[!A-Za-z0-9@._+=-]*)
            echo "no address or user: $target"
            return 2
            ;;
    esac
    key=$(echo "$address" | tr '[:upper:]' '[:lower:]')
    file=${table:-/etc/exim4/virtual}
    case $file in
        /*) [ -f "$file" ] && return ;;
    esac
    echo "no file of addresses: $file"
    return 2
}

# Whether Exim, asked where the address goes, names the target.
routed() {
    said=$("$exim" -bt "$address" 2> /dev/null)
    echo "$said" | TARGET=$target awk '
        $1 != "<--" && (tolower($1) == tolower(ENVIRON["TARGET"]) || index(tolower($1), tolower(ENVIRON["TARGET"]) "@") == 1) { found = 1 }
        END { exit !found }'
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
    sane && fit && change "$key: $target" || return
    routed && echo "mail for $address goes to $target" && return
    change "${captured_was-}"
    echo "Exim does not ask $file for $address, nothing is changed: $(echo "$said" | tail -n 1)"
    return 1
}

verify() {
    sane && fit || return 2
    if ! routed; then
        echo "Exim does not send $address to $target: $(echo "$said" | tail -n 1)"
        return 1
    fi
    sent || return 2
    case $fate in
        "=> "*) echo "a test message to $address left: ${fate#=> }" ;;
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
    said=$("$exim" -bt "$address" 2> /dev/null)
    [ "$(ours)" = "${captured_was-}" ] && echo "Exim says of $address: $(echo "$said" | head -n 1)"
}
