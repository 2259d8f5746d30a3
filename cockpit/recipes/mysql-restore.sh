# recipe: Restore a MySQL or MariaDB dump into a database that holds nothing yet, and compare every row
# group: data
# danger: low the database is new; one that holds tables is refused
# undo: drops what was restored, with what was written since; a database that was there empty is empty again
# param: database the database's name
# param: file the dump, as `mysql-dump` wrote it; FILE.sha256 must agree where it exists
# param: socket the server's socket (optional: as the client finds it)
# param: host where the server listens (optional: this host, by its socket)
# param: port its port (optional: as the client finds it)
# param: user the account (optional: the login's name)
# param: password the account's password, a secret (optional)
# needs: mysql mysqldump sha256sum od
# shellcheck shell=sh disable=SC2154

client() (
    # Runs a client of the server. A password goes to it as a file of options that is on no disk: everybody can read the words of
    # a command. Without one the account's own files of options hold.
    tool=$1
    shift
    [ -z "${user-}" ] || set -- "--user=$user" "$@"
    [ -z "${port-}" ] || set -- "--port=$port" "$@"
    [ -z "${socket-}" ] || set -- "--socket=$socket" "$@"
    [ -z "${host-}" ] || set -- "--host=$host" "$@"
    [ -n "${password-}" ] || exec "$tool" "$@"
    exec "$tool" --defaults-file=/dev/fd/3 "$@" 3<< END
[client]
password="$(printf %s "$password" | sed 's/[\\"]/\\&/g')"
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
    # What a dump that comes in holds, as a sum over its tables' names and rows, in any order. Newer clients write a
    # row a line.
    LC_ALL=C awk '
        /^-- Table structure for table / { print }
        /^INSERT INTO / || (inside && /^\(/) { inside = 1; end = /;$/; sub(/[,;]$/, ""); print; if (end) inside = 0 }
        /^-- Dump completed/ { whole = 1 }
        END { if (!whole) print "not whole" }' | LC_ALL=C sort | sha256sum | cut -c 1-20
}

here() {
    client mysqldump --default-character-set=utf8mb4 --single-transaction --quick --routines --triggers --events --hex-blob \
        --skip-dump-date --order-by-primary --no-tablespaces --net-buffer-length=1M -- "$database" | rows_of
}

tables() {
    echo 'select count(*) from information_schema.tables where table_schema = @name;' | named
}

probe() {
    name_is_good || return 2
    [ -r "$file" ] || { echo "$file cannot be read" && return 2; }
    there=$(tables) || return 2
    [ "$there" != 0 ] && [ "$(rows_of < "$file")" = "$(here)" ]
}

capture() {
    name_is_good || return
    there=$(tables) || return
    [ "$there" = 0 ] || { echo "$database holds $there tables already: drop it, or restore to another name" >&2 && return 1; }
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
    [ "$now" = "$there" ] && echo "$database has the dump's tables and every row of them" && return
    echo "the tables and rows of $database are not those of the dump"
    return 1
}

undo() {
    name_is_good || return
    emptied "${captured_charset:+character set $captured_charset collate $captured_collation}"
}

verify_undo() {
    there=$(tables) || return 2
    [ "$there" = 0 ] && echo "$database holds no table, as before"
}
