# recipe: Compare row counts and checksums of a PostgreSQL database's tables with those of the other host
# group: data
# danger: none
# undo: nothing to take back
# param: database the database
# param: file the figures of the other host, as `postgres-figures` wrote them there
# param: accepted tables that are accepted losses, schema.table one a line (optional)
# param: host where the server listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: user the role (optional: the account's name)
# param: password the role's password, a secret (optional)
# param: account the account that speaks to the server when the login is root (default postgres)
# needs: psql setpriv|perl|su sort
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

figures() {
    # A line for each table, `count sum name`, sorted; the same on every server of any version, whatever its settings.
    client psql -XAtqw -v ON_ERROR_STOP=1 << 'SQL' | LC_ALL=C sort -k 3
begin isolation level repeatable read read only;
set local timezone = 'UTC'; set local datestyle = 'ISO'; set local intervalstyle = 'postgres'; set local bytea_output = 'hex';
set local extra_float_digits = 3; set local row_security = off; set local client_encoding = 'UTF8'; set local search_path = '';
select format('select format(''%%s %%s %%s'', count(*), coalesce(sum((''x'' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0), %L)'
    ' from only %I.%I t', translate(nspname || '.' || relname, E'\t\r\n', '   '), nspname, relname)
    from pg_class c join pg_namespace n on n.oid = relnamespace where relkind = 'r' and relpersistence <> 't'
    and nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_toast' \gexec
select 'whole';
commit;
SQL
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
