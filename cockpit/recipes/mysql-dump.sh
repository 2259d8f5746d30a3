# recipe: Dump a MySQL or MariaDB database into a file with its checksum beside it
# group: data
# danger: low a file of the database's size is written, and the server reads all of it
# undo: removes the file and its checksum, or puts back what was there
# param: database the database
# param: file where the dump goes (SQL); its SHA-256 goes to FILE.sha256
# param: frozen yes: refuse while the server takes writes (default no)
# param: socket the server's socket (optional: as the client finds it)
# param: host where the server listens (optional: this host, by its socket)
# param: port its port (optional: as the client finds it)
# param: user the account (optional: the login's name)
# param: password the account's password, a secret (optional)
# needs: mariadb|mysql mariadb-dump|mysqldump sha256sum
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

sum_of() {
    set -- "$(sha256sum < "$1")" && printf '%s\n' "${1%% *}"
}

probe() {
    # A dump of before says nothing about now.
    return 1
}

capture() {
    if [ -e "$file" ]; then echo "existed=1"; else echo "existed=0"; fi
    if [ -e "$file.sha256" ]; then echo "summed=1"; else echo "summed=0"; fi
    echo "token=$(date +%s)-$$"
}

kept() {
    # What is there already stays beside it until this is undone.
    [ ! -e "$1" ] || [ -e "$1.before-$captured_token" ] || ln -- "$1" "$1.before-$captured_token"
}

apply() {
    [ ! -d "$file" ] || { echo "$file is a folder" && return 1; }
    case ${frozen:-no} in yes | no) ;; *) echo "frozen is yes or no" && return 1 ;; esac
    if [ "${frozen:-no}" = yes ]; then
        closed=$(sql -e 'select @@global.read_only') || { echo "the server cannot be asked" && return 1; }
        [ "$closed" != 0 ] || { echo "the server takes writes: freeze it first" && return 1; }
    fi
    umask 077
    # No dates inside, and rows in the order of their keys: the same contents give the same file.
    if ! client mysqldump --default-character-set=utf8mb4 --single-transaction --quick --routines --triggers --events --hex-blob \
        --skip-dump-date --order-by-primary --no-tablespaces --net-buffer-length=1M -- "$database" > "$file.new"; then
        rm -f -- "$file.new"
        echo "$database cannot be dumped: nothing was written"
        return 1
    fi
    sum=$(sum_of "$file.new") || return
    printf '%s  %s\n' "$sum" "$(basename -- "$file")" > "$file.sha256.new" || return
    if [ "$captured_existed" = 1 ]; then kept "$file" || return; fi
    if [ "$captured_summed" = 1 ]; then kept "$file.sha256" || return; fi
    mv -f -- "$file.new" "$file" && mv -f -- "$file.sha256.new" "$file.sha256" || return
    echo "$database is in $file, $(($(wc -c < "$file"))) bytes"
}

verify() {
    [ -f "$file" ] || { echo "there is no dump" && return 1; }
    read -r noted _ < "$file.sha256" || { echo "there is no checksum beside the dump" && return 1; }
    [ "$noted" = "$(sum_of "$file")" ] || { echo "the dump is not what its checksum says" && return 1; }
    tail -n 1 "$file" | grep -q '^-- Dump completed' || { echo "the dump is not whole" && return 1; }
    inside=$(grep -ac '^-- Table structure for table ' "$file")
    there=$(sql -e "select count(*) from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE'") ||
        return 2
    [ "$((inside))" = "$there" ] && echo "the dump is whole and has all $there tables of $database" && return
    echo "the dump has $((inside)) tables, $database has $there"
    return 1
}

undo() {
    rm -f -- "$file.new" "$file.sha256.new" || return
    restored "$file" "$captured_existed" && restored "$file.sha256" "$captured_summed"
}

restored() {
    if [ -e "$1.before-$captured_token" ]; then
        # Both may be one file still, which mv refuses.
        rm -f -- "$1" && mv -f -- "$1.before-$captured_token" "$1"
    elif [ "$2" = 0 ]; then
        rm -f -- "$1"
    fi
}

verify_undo() {
    if [ "$captured_existed" = 1 ]; then
        [ -e "$file" ] && [ ! -e "$file.before-$captured_token" ] && echo "the file of before is back" && return
        echo "the file of before is not back"
    else
        [ ! -e "$file" ] && echo "the dump is gone" && return
        echo "the dump is still there"
    fi
    return 1
}
