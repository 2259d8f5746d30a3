# recipe: Promote a PostgreSQL replica once it has replayed all that its primary wrote
# group: data
# danger: high the replica becomes a server of its own that takes writes: close the primary first
# undo: cannot be: a promoted server has left its primary's history; the old primary, still closed, can be opened again
# param: primary where the primary listens, a name or a socket's folder (optional: `position` says how far it came)
# param: primary_port its port (default 5432)
# param: position the primary's last position, from pg_current_wal_lsn() after it was closed (optional: the primary is asked)
# param: lose yes: promote with what has arrived when the primary cannot be asked (default no)
# param: within how many seconds to wait for the replay and the promotion (default 60)
# param: host where the server listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: user the role (optional: the account's name)
# param: password the role's password, a secret (optional)
# param: account the account that speaks to the server when the login is root (default postgres)
# needs: psql setpriv|perl|su
# shellcheck shell=sh disable=SC2154

at=postgres

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

replica() {
    sql -c 'select pg_is_in_recovery()'
}

probe() {
    now=$(replica) || return 2
    [ "$now" = f ]
}

capture() {
    sql -c "select 'received=' || coalesce(pg_last_wal_receive_lsn()::text, '') where pg_is_in_recovery()"
}

apply() {
    within=${within:-60}
    case $within in *[!0-9]*) echo "within: $within is no number of seconds" && return 1 ;; esac
    case ${lose:-no} in yes | no) ;; *) echo "lose is yes or no" && return 1 ;; esac
    now=$(replica) || { echo "the server cannot be asked" && return 1; }
    [ "$now" = t ] || { echo "it is no replica any more" && return; }
    goal=${position-}
    if [ -z "$goal" ] && [ -n "${primary-}" ]; then
        goal=$(host=$primary && port=${primary_port:-5432} && sql -c 'select pg_current_wal_flush_lsn()') || goal=
    fi
    if [ -z "$goal" ]; then
        [ "${lose:-no}" = yes ] || { echo "the primary cannot be asked how far it came: nothing was changed" && return 1; }
        goal=$(sql -c 'select pg_last_wal_receive_lsn()') || return
    fi
    until=$(($(date +%s) + within))
    while :; do
        left=$(sql -v goal="${goal:-0/0}" << 'SQL'
select greatest(0, pg_wal_lsn_diff(:'goal'::pg_lsn, pg_last_wal_replay_lsn()));
SQL
        ) || { echo "how far the replica came cannot be asked: nothing was changed" && return 1; }
        [ "$left" != 0 ] || break
        [ "$(date +%s)" -lt "$until" ] || { echo "the replica lacks $left bytes after $within s: nothing was changed" && return 1; }
        sleep 0.2
    done
    [ "$(sql -c "select pg_promote(true, $within)")" = t ] || { echo "the server did not become one of its own in $within s" && return 1; }
    echo "promoted at ${goal:-what it had}, with nothing left to replay"
}

verify() {
    now=$(replica) || { echo "the server cannot be asked" && return 2; }
    [ "$now" = f ] || { echo "it is a replica still" && return 1; }
    # A write that is committed and leaves nothing: a message in the log of transactions.
    [ "$(sql -c 'show transaction_read_only')" = off ] || { echo "it takes no writes: it is set read-only" && return 1; }
    sql -c "select pg_logical_emit_message(true, 'cutover', 'a write')" > /dev/null || { echo "it takes no writes" && return 1; }
    echo "it is a server of its own and takes a write"
}

undo() {
    now=$(replica) || return
    [ "$now" = f ] || { echo "it is a replica still: nothing to take back" && return; }
    echo "a promoted server cannot follow its old primary again: open the old one, and make this one a replica anew"
    return 1
}

verify_undo() {
    now=$(replica) || return 2
    [ "$now" = t ] && echo "it is a replica"
}
