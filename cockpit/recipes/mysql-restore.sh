# recipe: Restore a MySQL or MariaDB dump into a database that holds nothing yet, and compare every row
# group: data
# danger: low the database is new; one that holds anything is refused
# undo: drops what was restored, with what was written since; a database that was there empty is empty again
# param: database the database's name
# param: file the dump, as `mysql-dump` wrote it; FILE.sha256 must agree where it exists
# param: socket the server's socket (optional: as the client finds it)
# param: host where the server listens (optional: this host, by its socket)
# param: port its port (optional: as the client finds it)
# param: user the account (optional: the login's name)
# param: password the account's password, a secret (optional)
# needs: mariadb|mysql mariadb-dump|mysqldump sha256sum od
# shellcheck shell=sh disable=SC2154

client() (
    # Runs a client of the server. A password goes to it as a file of options that is on no disk: everybody can read the words of
    # a command. Without one the account's own files of options hold.
    tool=$1
    shift
    # Hosts with MariaDB alone have no other names in the end.
    case $tool in
        mysql) own=mariadb ;;
        *) own=mariadb-dump ;;
    esac
    if command -v "$own" > /dev/null; then tool=$own; fi
    # Of a host with a semicolon the client reads something else, and asks the server here.
    case ${host-} in -* | *[!A-Za-z0-9.:_%-]*) echo "the host is no name or address: $host" >&2 && exit 1 ;; esac
    case ${port-} in *[!0-9]*) echo "the port is no number: $port" >&2 && exit 1 ;; esac
    [ -z "${user-}" ] || set -- "--user=$user" "$@"
    [ -z "${port-}" ] || set -- "--port=$port" "$@"
    [ -z "${socket-}" ] || set -- "--socket=$socket" "$@"
    [ -z "${host-}" ] || set -- "--host=$host" "$@"
    [ -n "${password-}" ] || exec "$tool" "$@"
    exec "$tool" --defaults-file=/dev/fd/3 "$@" 3<< END
[client]
password="$(printf %s "$password" | sed 's/[\\"]/\\&/g' | awk '{ printf "%s%s", end, $0; end = "\\n" }')"
END
)

sql() {
    client mysql --default-character-set=utf8mb4 --batch --skip-column-names ${database:+"--database=$database"} "$@"
}

named() {
    # Runs SQL that finds the name as @name, and as @quoted in backquotes.
    (
        hex=$(printf %s "$database" | od -An -v -tx1 | tr -d ' \n')
        unset database
        {
            echo "set @name = convert(unhex('$hex') using utf8mb4); set @quoted = concat('\`', replace(@name, '\`', '\`\`'), '\`');"
            cat
        } | sql --batch
    )
}

name_is_good() {
    case $database in
        '' | *'
'*)
            echo "a database's name is one line"
            return 1
            ;;
    esac
}

rows_of() {
    # What a dump that comes in holds, as a sum over its tables' names and rows, in any order, and over what comes after them:
    # triggers, routines, events and views by name, since servers spell their texts differently. Before its own text comes, a
    # view is a select of ones or NULLs that keeps its place. Older clients write many rows a line, newer ones one.
    LC_ALL=C awk '
        function rows(text,    part, count, i, row, bare) {
            sub(/^\(/, "", text)
            sub(/\)[,;]$/, "", text)
            count = split(text, part, /\),\(/)
            row = ""
            for (i = 1; i <= count; i++) {
                row = row part[i]
                bare = part[i]
                gsub(/\\./, "", bare)
                # The end of a row may be a part of its text.
                if (gsub(/\047/, "", bare) % 2) open = !open
                if (open && i < count) row = row "),("
                else { print "row of " table row; row = ""; open = 0 }
            }
        }
        match($0, /^INSERT INTO (`[^`]*`)+ (\((`[^`]*`|, *)*\) )?VALUES */) {
            table = substr($0, 13, RLENGTH - 12)
            sub(/ *$/, " ", table)
            inside = RLENGTH == length($0)
            if (!inside) rows(substr($0, RLENGTH + 1))
            next
        }
        inside && /^\(/ { rows($0); if (/;$/) inside = 0; next }
        /^-- Table structure for table / || /^\/\*!50003 DROP (PROCEDURE|FUNCTION|PACKAGE)/ || /^\/\*!50106 DROP EVENT/ { print }
        /^\/\*!50003 CREATE.*[Tt][Rr][Ii][Gg][Gg][Ee][Rr][ \t]/ {
            sub(/^.*[Tt][Rr][Ii][Gg][Gg][Ee][Rr][ \t]+/, "")
            match($0, /^(`[^`]*`)+|^[^ \t]+/)
            name = substr($0, RSTART, RLENGTH)
            gsub(/`/, "", name)
            print "trigger " name
        }
        /^\/\*!50001 VIEW `/ {
            empty = / AS select (1|NULL) AS (`[^`]*`)+(,(1|NULL) AS (`[^`]*`)+)* *\*\/;$/
            match($0, /(`[^`]*`)+/)
            print "view " substr($0, RSTART, RLENGTH) (empty ? " of nothing" : "")
        }
        /^-- Dump completed/ { whole = 1 }
        END { if (!whole) print "not whole" }' | LC_ALL=C sort | sha256sum | cut -c 1-20
}

here() {
    client mysqldump --default-character-set=utf8mb4 --single-transaction --quick --routines --triggers --events --hex-blob \
        --skip-dump-date --order-by-primary --no-tablespaces --net-buffer-length=1M -- "$database" | rows_of
}

things() {
    # A database without a table may hold routines and events.
    echo 'select (select count(*) from information_schema.tables where table_schema = @name)
        + (select count(*) from information_schema.routines where routine_schema = @name)
        + (select count(*) from information_schema.events where event_schema = @name);' | named
}

probe() {
    name_is_good || return 2
    [ -r "$file" ] || { echo "$file cannot be read" && return 2; }
    there=$(things) || return 2
    [ "$there" != 0 ] && [ "$(rows_of < "$file")" = "$(here)" ]
}

capture() {
    name_is_good || return
    there=$(things) || return
    [ "$there" = 0 ] || { echo "$database holds $there tables, views, routines and events already: drop it, or restore to another name" >&2 && return 1; }
    echo "select concat('charset=', default_character_set_name) from information_schema.schemata where schema_name = @name;
        select concat('collation=', default_collation_name) from information_schema.schemata where schema_name = @name;" | named
}

emptied() {
    # The database as it was before, after ending what a broken off attempt left running on the server.
    theirs=$(echo "select concat('kill ', id, ';') from information_schema.processlist where db = @name and id <> connection_id();" |
        named) || return
    # One that has ended by itself meanwhile is no fault.
    [ -z "$theirs" ] || printf '%s\n' "$theirs" | (unset database && sql --force) 2> /dev/null
    echo "set @do = concat('drop database if exists ', @quoted); prepare s from @do; execute s;" | named || return
    [ -n "${1-}" ] || return 0
    echo "set @do = concat('create database ', @quoted, ' $1'); prepare s from @do; execute s;" | named
}

apply() {
    name_is_good || return
    read -r noted _ 2> /dev/null < "$file.sha256" || noted=
    sum=$(sha256sum < "$file") || return
    [ -z "$noted" ] || [ "$noted" = "${sum%% *}" ] || { echo "$file is not what its checksum says" && return 1; }
    tail -n 1 "$file" | grep -q '^-- Dump completed' || { echo "$file is no whole dump" && return 1; }
    if probe; then echo "$database is restored already" && return; fi
    emptied "character set ${captured_charset:-utf8mb4}${captured_collation:+ collate $captured_collation}" ||
        { echo "the database cannot be made" && return 1; }
    if ! sql --init-command="set sql_notes = 0" < "$file"; then
        undo
        echo "$file cannot be restored: it is as it was before"
        return 1
    fi
    echo "$database is restored from $file"
}

verify() {
    name_is_good || return
    [ -r "$file" ] || { echo "$file cannot be read" && return 2; }
    there=$(rows_of < "$file")
    now=$(here) || return 2
    [ "$now" = "$there" ] && echo "$database has the dump's tables with every row, its views, triggers, routines and events" && return
    echo "$database has not the tables, rows, views, triggers, routines and events of the dump"
    return 1
}

undo() {
    name_is_good || return
    emptied "${captured_charset:+character set $captured_charset collate $captured_collation}"
}

verify_undo() {
    there=$(things) || return 2
    [ "$there" = 0 ] && echo "$database holds nothing, as before"
}
