# recipe: Close a MySQL or MariaDB server to writes
# group: data
# danger: high writes fail until this is undone; accounts that may write all the same (SUPER, READ_ONLY ADMIN) still can
# undo: sets read_only as it was
# param: database a database to try a write in (optional: none is tried)
# param: writer an account of an application, to try the write with (optional: none is tried)
# param: writer_password its password, a secret (optional)
# param: socket the server's socket (optional: as the client finds it)
# param: host where the server listens (optional: this host, by its socket)
# param: port its port (optional: as the client finds it)
# param: user the account (optional: the login's name)
# param: password the account's password, a secret (optional)
# needs: mariadb|mysql
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

now() {
    (unset database && sql -e 'select @@global.read_only')
}

probe() {
    is=$(now) || return 2
    [ "$is" != 0 ]
}

capture() {
    is=$(now) && echo "was=$is"
}

apply() {
    # It waits for transactions that hold locks; a session that waits behind it for ever helps nobody.
    (unset database && sql -e 'set session lock_wait_timeout = 30; set global read_only = 1') ||
        { echo "the server cannot be closed: nothing was changed" && return 1; }
    echo "the server is closed to writes"
}

tried() {
    # What a write by the application's account comes to.
    (user=$writer && password=${writer_password-} && sql -e 'create table cutover_probe (id int); drop table cutover_probe') 2>&1
}

verify() {
    is=$(now) || { echo "the server cannot be asked" && return 2; }
    [ "$is" != 0 ] || { echo "the server takes writes" && return 1; }
    left=$(sql -e "select count(*) from information_schema.innodb_trx where trx_rows_modified > 0") || return 2
    [ "$left" = 0 ] || { echo "$left transactions that have written are still open" && return 1; }
    [ -n "${writer-}" ] || { echo "read_only is set and no transaction that has written is open" && return; }
    said=$(tried) && { echo "$writer can write" && return 1; }
    case $said in
        *1290*) echo "a write by $writer is refused" ;;
        *)
            printf '%s\n' "$said"
            return 2
            ;;
    esac
}

undo() {
    (unset database && sql -e "set global read_only = $((captured_was))")
}

verify_undo() {
    is=$(now) || return 2
    [ "$is" = "$captured_was" ] || { echo "read_only is not as it was" && return 1; }
    [ "$is" = 0 ] || { echo "the server was closed before, and is" && return; }
    if [ -n "${writer-}" ]; then said=$(tried) || { printf '%s\n' "$said" && return 1; }; fi
    echo "the server takes writes again"
}
