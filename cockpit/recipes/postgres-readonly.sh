# recipe: Close a PostgreSQL database to writes: its sessions end, and new ones can only read
# group: data
# danger: high writes fail until this is undone
# undo: puts the setting back as it was and ends the sessions that could only read
# param: database the database
# param: host where the server listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: user the role (optional: the account's name)
# param: password the role's password, a secret (optional)
# param: account the account that speaks to the server when the login is root (default postgres)
# needs: psql setpriv|perl|su
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

setting() {
    # What is set for the database itself; empty when nothing is.
    sql << 'SQL'
select split_part(one, '=', 2) from pg_db_role_setting join pg_database d on d.oid = setdatabase, unnest(setconfig) one
    where setrole = 0 and datname = current_database() and one like 'default_transaction_read_only=%';
SQL
}

probe() {
    now=$(setting) || return 2
    [ "$now" = on ]
}

capture() {
    now=$(setting) && echo "was=$now"
}

ended() {
    # Sessions keep what they began with, and pools keep sessions.
    tries=0
    while left=$(sql -c "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()
            and backend_type = 'client backend' and pid <> pg_backend_pid() and backend_start < '$1'"); [ "$left" != 0 ]; do
        tries=$((tries + 1))
        [ "$tries" -le 50 ] || { echo "sessions of before do not end" && return 1; }
        sleep 0.2
    done
}

turned() {
    # Sets it by a session that can write whatever is set.
    sql -v to="$1" << 'SQL'
set default_transaction_read_only = off;
select format('alter database %I ', current_database()) || case when :'to' = '' then 'reset default_transaction_read_only'
    else format('set default_transaction_read_only = %L', :'to') end \gexec
select clock_timestamp();
SQL
}

apply() {
    theirs=$(sql -c "select string_agg(coalesce(r.rolname, '?'), ', ') from pg_db_role_setting s join pg_roles r on r.oid = setrole
        where setdatabase in (0, (select oid from pg_database where datname = current_database()))
        and exists (select from unnest(setconfig) one where one like 'default_transaction_read_only=%' and one not like '%=on')") ||
        { echo "the server cannot be asked: nothing was changed" && return 1; }
    [ -z "$theirs" ] || { echo "the roles $theirs have a setting of their own that lets them write: nothing was changed" && return 1; }
    since=$(turned on) || { echo "the setting cannot be made" && return 1; }
    ended "$since" && echo "$database is closed to writes"
}

verify() {
    # A write is tried and must be refused, for just that reason; and nobody is amid one.
    said=$(sql -c 'begin' -c 'create table cutover_probe ()' -c 'rollback' 2>&1) && { echo "$database takes writes" && return 1; }
    case $said in
        *read-only*) ;;
        *)
            printf '%s\n' "$said"
            return 2
            ;;
    esac
    writing=$(sql -c "select count(*) from pg_stat_activity where datname = current_database() and backend_xid is not null") || return 2
    [ "$writing" = 0 ] || { echo "new writes to $database are refused, but $writing sessions are amid one" && return 1; }
    echo "a write to $database is refused"
}

undo() {
    since=$(turned "${captured_was-}") && ended "$since"
}

verify_undo() {
    now=$(setting) || return 2
    [ "$now" = "${captured_was-}" ] || { echo "the setting is not as it was" && return 1; }
    [ "$now" != on ] || { echo "$database was closed before, and is" && return; }
    said=$(sql -c 'begin' -c 'create table cutover_probe ()' -c 'rollback' 2>&1) && echo "$database takes writes again" && return
    printf '%s\n' "$said"
    return 1
}
