# recipe: Dump a PostgreSQL database into a file with its checksum beside it
# group: data
# danger: low a file of the database's size is written, and the server reads all of it
# undo: removes the file and its checksum, or puts back what was there
# param: database the database
# param: file where the dump goes (pg_dump's custom format); its SHA-256 goes to FILE.sha256
# param: frozen yes: refuse while the database takes writes (default no)
# param: host where the server listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: user the role (optional: the account's name)
# param: password the role's password, a secret (optional)
# param: account the account that speaks to the server when the login is root (default postgres)
# needs: pg_dump pg_restore psql setpriv|perl|su sha256sum
# shellcheck shell=sh disable=SC2154

as_account() (
    # Runs the program $4 … with the user id $1, the group id $2 and the further groups $3 (numbers with commas, or nothing). Old
    # systems have no setpriv. su comes last: it knows names only, and refuses an account that has expired.
    uid=$1 gid=$2 groups=$3
    shift 3
    if setpriv --reuid="$uid" true 2> /dev/null; then
        if [ -n "$groups" ]; then set -- --groups "$groups" -- "$@"; else set -- --clear-groups -- "$@"; fi
        exec setpriv --reuid="$uid" --regid="$gid" "$@"
    fi
    if perl -MPOSIX -e 1 2> /dev/null; then
        # shellcheck disable=SC2016
        PERL_BADLANG=0 exec perl -MPOSIX -e '
            my ($uid, $gid, $groups) = splice @ARGV, 0, 3;
            $) = join " ", $gid, split /,/, $groups || $gid;
            POSIX::setgid($gid) and POSIX::setuid($uid) and $> == $uid or die "user id $uid cannot be taken on: $!\n";
            exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n"' "$uid" "$gid" "$groups" "$@"
    fi
    name=$(getent passwd "$uid") || {
        echo "user id $uid has no name here, and without setpriv and Perl it cannot be taken on" >&2
        exit 2
    }
    text=
    for word in "HOME=$HOME" "PATH=$PATH" "$@"; do
        word=$(printf '%s.' "$word" | LC_ALL=C sed "s/'/'\\\\''/g")
        text="$text '${word%.}'"
    done
    exec su -s /bin/sh "${name%%:*}" -c "exec env$text"
)

client() (
    # Runs a client of the server, as the server's own account where the login is root: peer authentication knows no root.
    export PGDATABASE="${at:-$database}" PGCONNECT_TIMEOUT=10 PGAPPNAME="${as:-cutover}"
    unset PGOPTIONS PGSERVICE
    if [ -n "${host-}" ]; then export PGHOST="$host"; fi
    if [ -n "${port-}" ]; then export PGPORT="$port"; fi
    if [ -n "${user-}" ]; then export PGUSER="$user"; fi
    if [ -n "${password-}" ]; then export PGPASSWORD="$password"; fi
    [ "$(id -u)" = 0 ] || exec "$@"
    account=${account:-postgres}
    groups=$(id -G -- "$account") || exit
    HOME=$(getent passwd "$account" | cut -d : -f 6)
    cd / || exit
    as_account "$(id -u -- "$account")" "$(id -g -- "$account")" "$(printf %s "$groups" | tr ' ' ,)" "$@"
)

sql() {
    client psql -XAtqw -v ON_ERROR_STOP=1 "$@"
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
        closed=$(sql -c 'show transaction_read_only') || { echo "the server cannot be asked" && return 1; }
        [ "$closed" = on ] || { echo "$database takes writes: freeze it first" && return 1; }
    fi
    umask 077
    if ! client pg_dump -Fc -w > "$file.new"; then
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
    pg_restore -f /dev/null < "$file" || { echo "the dump cannot be read to its end" && return 1; }
    inside=$(pg_restore -l < "$file" | awk '$4 == "TABLE" && $5 == "DATA"' | wc -l)
    there=$(sql -c "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where relkind = 'r'
        and relpersistence <> 't' and nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_toast'
        and not exists (select from pg_depend where objid = c.oid and deptype = 'e')") || return 2
    [ "$((inside))" = "$there" ] && echo "the dump can be read to its end and has all $there tables of $database" && return
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
