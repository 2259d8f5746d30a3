# recipe: Write down row counts and checksums of a PostgreSQL database's tables, to compare another one with
# group: data
# danger: low every table is read once
# undo: removes the file, or puts back what was there
# param: database the database
# param: file where the figures go: a line for each table, count, sum and name
# param: accepted tables that are accepted losses and may be written to meanwhile, schema.table one a line (optional)
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
