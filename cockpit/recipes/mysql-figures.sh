# recipe: Write down row counts and checksums of a MySQL or MariaDB database's tables, to compare another one with
# group: data
# danger: low every table is read once
# undo: removes the file, or puts back what was there
# param: database the database
# param: file where the figures go: a line for each table, count, sum and name
# param: accepted tables that are accepted losses and may be written to meanwhile, table one a line (optional)
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
    # Figures of before say nothing about now.
    return 1
}

capture() {
    if [ -e "$file" ]; then echo "existed=1"; else echo "existed=0"; fi
    echo "token=$(date +%s)-$$"
}

apply() {
    figures > "$file.new" || return
    if ! grep -q '^whole$' "$file.new"; then
        rm -f -- "$file.new"
        echo "the tables of $database cannot all be read: nothing was written"
        return 1
    fi
    if [ "$captured_existed" = 1 ] && [ ! -e "$file.before-$captured_token" ]; then
        ln -- "$file" "$file.before-$captured_token" || return
    fi
    mv -f -- "$file.new" "$file" && echo "figures of $(($(wc -l < "$file") - 1)) tables of $database are written down"
}

left() {
    # The figures of what must not change.
    accepted=${accepted-} awk '
        BEGIN { split(ENVIRON["accepted"], lines, "\n"); for (i in lines) lost[lines[i]] = 1 }
        !(substr($0, length($1) + length($2) + 3) in lost)'
}

verify() {
    [ -f "$file" ] || { echo "there are no figures" && return 1; }
    now=$(figures)
    case $now in
        *whole*) ;;
        *)
            echo "the tables of $database cannot all be read"
            return 2
            ;;
    esac
    [ "$(printf '%s\n' "$now" | left)" = "$(left < "$file")" ] && echo "$database still has these figures" && return
    echo "$database was written to since: the figures are other ones by now"
    return 1
}

undo() {
    rm -f -- "$file.new" || return
    if [ -e "$file.before-$captured_token" ]; then
        # Both may be one file still, which mv refuses.
        rm -f -- "$file" && mv -f -- "$file.before-$captured_token" "$file"
    elif [ "$captured_existed" = 0 ]; then
        rm -f -- "$file"
    fi
}

verify_undo() {
    if [ "$captured_existed" = 1 ]; then [ -e "$file" ]; else [ ! -e "$file" ]; fi && echo "$file is as it was"
}
