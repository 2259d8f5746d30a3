# recipe: Send the mail of one address elsewhere by Postfix's virtual table; on two hosts, the receiver first
# group: mail
# danger: low mail of the address is delivered elsewhere
# undo: restores the entry that was there, or removes it
# param: address the address, as senders write it
# param: target where its mail goes: an address, or a user of this host
# param: map the table as `type:path` (default: the first of virtual_alias_maps that is a file)
# param: log the mail log (default: where Postfix logs to, else the journal)
# needs: awk flock postconf postmap postsuper
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

# Which table it is: `map`, or the first in a file that Postfix asks.
find_table() {
    command -v postconf > /dev/null || {
        echo "there is no Postfix here"
        return 2
    }
    spec=${map:-}
    if [ -z "$spec" ]; then
        spec=$({ postconf -xh virtual_alias_maps || postconf -h virtual_alias_maps; } 2> /dev/null | tr ', ' '\n' |
            grep -E -m 1 '^(hash|btree|texthash|lmdb|cdb):/') || {
            echo "virtual_alias_maps names no table in a file: set it, make the table, reload Postfix, and come again"
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
    echo "$file, the table of virtual_alias_maps, does not exist"
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

# Hands in a test message; its sender tells it from all others.
sent() {
    token="cockpit-$(date +%s)-$$@$key"
    printf 'From: <%s>\nTo: <%s>\nSubject: a test of the cutover\n\n%s\n' "$token" "$address" "$token" |
        "$(postconf -h sendmail_path)" -i -N never -f "$token" -- "$address" && return
    echo "Postfix takes no test message"
    return 2
}

# The mail log's last words.
logged() {
    from=${log:-$(postconf -h maillog_file 2> /dev/null)}
    for from in "$from" /var/log/mail.log /var/log/maillog; do
        if [ -f "$from" ]; then
            tail -c 1000000 "$from"
            return
        fi
    done
    journalctl -q --no-pager --since -5min
}

# What became of the test message, as logged: `fate` is STATUS TO RELAY.
followed() {
    tries=0 fate='' put_off=0
    while [ "$tries" -lt 150 ]; do
        fate=$(logged | TOKEN="from=<$token>," awk '
            function value(name,  at, rest) {
                at = index($0, " " name "="); rest = substr($0, at + length(name) + 2); sub(/[, ].*/, "", rest)
                return at ? rest : "-"
            }
            id == "" { for (i = 2; i <= NF; i++) if (tolower($i) == ENVIRON["TOKEN"]) id = $(i - 1) }
            id != "" && index($0, " " id " to=<") { print value("status"), value("to"), value("relay"), id }' | tail -n 1)
        id=${fate##* } fate=${fate% *}
        case $fate in
            sent\ * | bounced\ * | expired\ *) return ;;
            deferred\ *) put_off=$((put_off + 1)) ;;
        esac
        [ "$put_off" -lt 15 ] || break
        tries=$((tries + 1))
        sleep 0.2
    done
    if [ -n "$fate" ]; then
        # It must not come later, when nobody waits for it.
        postsuper -d "${id%:}" > /dev/null 2>&1
        return 0
    fi
    echo "the mail log says nothing of a test message"
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
}

probe() {
    sane && find_table || return 2
    [ "$(postmap -q "$key" "$type:$file" 2> /dev/null)" = "$target" ] && echo "$address goes to $target"
}

capture() {
    sane && find_table || return 2
    printf 'was=%s\n' "$(ours)"
}

apply() {
    sane && fit && find_table && change "$key $target" "$target" && echo "mail for $address goes to $target"
}

verify() {
    sane && find_table || return 2
    answer=$(postmap -q "$key" "$type:$file" 2> /dev/null)
    if [ "$answer" != "$target" ]; then
        echo "the table says of $address: ${answer:-nothing}"
        return 1
    fi
    key=${key#*@}
    sent && followed || return 2
    case $fate in
        "sent <$target> "* | "sent <$target@"*) ;;
        *)
            echo "a test message to $address did not get to $target: $fate"
            return 1
            ;;
    esac
    echo "a test message to $address got to $target by ${fate##* }"
}

undo() {
    sane && fit && find_table || return
    was=${captured_was-}
    change "$was" "${was#* }" && echo "mail for $address goes where it went before"
}

verify_undo() {
    sane && find_table || return 2
    [ "$(ours)" = "${captured_was-}" ] && echo "the table says of $address: $(postmap -q "$key" "$type:$file")"
}
