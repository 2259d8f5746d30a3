# recipe: Compare row counts and checksums of a MySQL or MariaDB database's tables with those of the other host
# group: data
# danger: none
# undo: nothing to take back
# param: database the database
# param: file the figures of the other host, as `mysql-figures` wrote them there
# param: accepted tables that are accepted losses, table one a line (optional)
# param: socket the server's socket (optional: as the client finds it)
# param: host where the server listens (optional: this host, by its socket)
# param: port its port (optional: as the client finds it)
# param: user the account (optional: the login's name)
# param: password the account's password, a secret (optional)
# needs: mariadb|mysql sort
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

figures() {
    # A line for each table, `count sum name`, sorted; the same on every server, whatever its settings.
    {
        echo "set time_zone = '+00:00', sql_mode = ''; start transaction with consistent snapshot;"
        sql --raw << 'SQL' || echo 'broken off;'
set session group_concat_max_len = 1000000;
select concat('select concat_ws('' '', count(*), coalesce(sum(cast(conv(left(md5(concat_ws('','', ', group_concat(concat('hex(',
        if(character_set_name is null, 'cast(', 'convert('), '`', replace(column_name, '`', '``'), '`',
        if(character_set_name is null, ' as binary', ' using utf8mb4'), ')), isnull(`', replace(column_name, '`', '``'), '`)')
        order by ordinal_position separator ', '), ')), 15), 16, 10) as unsigned)), 0), ',
        quote(regexp_replace(table_name, '[[:cntrl:]]', ' ')), ') from `', replace(table_name, '`', '``'), '`;')
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = database() and table_type = 'BASE TABLE' group by table_name;
SQL
        echo "select 'whole';"
    } | sql --raw | LC_ALL=C sort -k 3
}

probe() {
    # It is a look: it is always made anew.
    return 1
}

compared() {
    [ -r "$file" ] || { echo "the other host's figures, $file, cannot be read" && return 2; }
    grep -q '^whole$' "$file" || { echo "$file is not whole" && return 2; }
    now=$(figures)
    case $now in
        *whole*) ;;
        *)
            echo "the tables of $database cannot all be read"
            return 2
            ;;
    esac
    printf '%s\n' "$now" | there=$file accepted=${accepted-} awk '
        function name() { return substr($0, length($1) + length($2) + 3) }
        BEGIN {
            split(ENVIRON["accepted"], lines, "\n")
            for (i in lines) lost[lines[i]] = 1
            while ((getline < ENVIRON["there"]) > 0) if ($0 != "whole") { count[name()] = $1; sum[name()] = $2 }
        }
        $0 == "whole" { next }
        name() in lost { left++; delete count[name()]; next }
        !(name() in count) { said = said "; " name() " is here only"; next }
        {
            if (count[name()] != $1) said = said "; " name() " has " count[name()] " rows there, " $1 " here"
            else if (sum[name()] != $2) said = said "; " name() " has other contents"
            else { same++; rows += $1 }
            delete count[name()]
        }
        END {
            for (one in count) if (!(one in lost)) said = said "; " one " is missing here"
            if (said != "") { print substr(said, 3); exit 1 }
            print same + 0 " tables with " rows + 0 " rows are the same on both" (left ? ", " left " accepted as lost" : "")
        }'
}

apply() {
    compared
}

verify() {
    compared
}

undo() {
    # It only looked.
    return 0
}
