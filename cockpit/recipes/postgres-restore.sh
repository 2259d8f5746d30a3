# recipe: Restore a PostgreSQL dump into a database of its own, which takes its name only when it is whole
# group: data
# danger: high a database of that name is set aside and its sessions end
# undo: drops the restored database, with what was written since; what had its name gets it back
# param: database the database's name; until it is whole it is called NAME_incoming
# param: file the dump (pg_dump's custom format); FILE.sha256 must agree where it exists
# param: owner the role that owns the database (optional: the role that restores)
# param: encoding its encoding (default UTF8)
# param: locale its locale (optional: the server's)
# param: host where the server listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: user the role (optional: the account's name)
# param: password the role's password, a secret (optional)
# param: account the account that speaks to the server when the login is root (default postgres)
# needs: pg_restore psql setpriv|perl|su sha256sum
# shellcheck shell=sh disable=SC2154

# Sessions of this step are known by that, so that a new attempt can end those of a broken off one.
at=postgres
as=cutover-$(printf %s "$database" | cksum | cut -d ' ' -f 1)

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

name_is_good() {
    case $database in
        '' | *'
'*)
            echo "a database's name is one line"
            return 1
            ;;
    esac
    # The server would cut a longer name off without a word.
    [ "$(printf %s "$database" | wc -c)" -le 46 ] || { echo "the name has more than 46 bytes" && return 1; }
}

sum_of() {
    set -- "$(sha256sum < "$1")" && printf '%s\n' "${1%% *}"
}

asked() {
    # What SQL says about the database, its incoming and its set aside form.
    sql -v name="$database" -v incoming="${database}_incoming" -v before="${database}_before_${captured_token-}" \
        -v owner="${owner-}" -v encoding="${encoding:-UTF8}" -v locale="${locale-}" -v sum="${sum-}"
}

probe() {
    name_is_good || return 2
    sum=$(sum_of "$file") || return 2
    [ "$(echo "select count(*) from pg_db_role_setting join pg_database d on d.oid = setdatabase where setrole = 0
        and datname = :'name' and ('cutover.restored_from=' || :'sum') = any(setconfig);" | asked)" = 1 ] && return
    echo 'select 1' | asked > /dev/null || return 2
    return 1
}

capture() {
    name_is_good || return
    there=$(echo "select count(*) from pg_database where datname = :'incoming';" | asked) || return
    [ "$there" = 0 ] || { echo "there is a database ${database}_incoming already" >&2 && return 1; }
    echo "existed=$(echo "select count(*) from pg_database where datname = :'name';" | asked)"
    echo "oid=$(echo "select max(oid::bigint) from pg_database where datname = :'name';" | asked)"
    date +token=%s
}

alone() {
    # Ends what a broken off attempt left running on the server.
    tries=0
    while :; do
        left=$(echo "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where application_name = current_setting('application_name') and pid <> pg_backend_pid();" | asked) ||
            { echo "the server cannot be asked" && return 1; }
        [ "$left" != 0 ] || return 0
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || { echo "the server does not end our earlier sessions" && return 1; }
        sleep 0.2
    done
}

apply() {
    name_is_good || return
    read -r noted _ 2> /dev/null < "$file.sha256" || noted=
    sum=$(sum_of "$file") || return
    [ -z "$noted" ] || [ "$noted" = "$sum" ] || { echo "$file is not what its checksum says" && return 1; }
    pg_restore -l < "$file" > /dev/null || { echo "$file is no dump that can be read" && return 1; }
    if probe; then echo "$database is restored already" && return; fi
    alone || return
    asked <<- 'SQL' || { echo "no database ${database}_incoming can be made" && return 1; }
	set client_min_messages = warning;
	drop database if exists :"incoming";
	select format('create database %I template template0 encoding %L', :'incoming', :'encoding')
	    || case when :'locale' = '' then '' else format(' locale %L', :'locale') end
	    || case when :'owner' = '' then '' else format(' owner %I', :'owner') end \gexec
	SQL
    # A name in a connection string is quoted in its own way.
    quoted=$(printf '%s_incoming\n' "$database" | sed "s/[\\\\']/\\\\&/g")
    if ! client pg_restore -w --exit-on-error --single-transaction -d "dbname='$quoted'" < "$file"; then
        echo 'drop database if exists :"incoming";' | asked
        echo "$file cannot be restored: $database is as it was"
        return 1
    fi
    (at="${database}_incoming" && sql -c analyze) || return
    asked <<- 'SQL' || { echo "the restored database cannot take the name: $database is as it was" && return 1; }
	set client_min_messages = warning;
	alter database :"incoming" set cutover.restored_from = :'sum';
	begin;
	select count(pg_terminate_backend(pid)) as ended from pg_stat_activity where datname in (:'name', :'incoming') \gset
	select format('alter database %I rename to %I', datname, :'before') from pg_database where datname = :'name' \gexec
	alter database :"incoming" rename to :"name";
	commit;
	SQL
    echo "$database is restored from $file"
}

verify() {
    name_is_good || return
    [ -r "$file" ] || { echo "$file cannot be read" && return 2; }
    in_file=$({ pg_restore -f - --data-only < "$file" && echo whole; } | awk '
        inside && $0 == "\\." { inside = 0; next }
        inside { rows++; next }
        /^COPY .* FROM stdin;$/ { inside = 1; tables++ }
        $0 == "whole" { whole = 1 }
        END { printf "%d rows in %d tables", rows, tables; exit !whole }') || { echo "the dump cannot be read to its end" && return 2; }
    here=$(at=$database && sql << 'SQL'
select format('select count(*) from only %s', c.oid::regclass) from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind = 'r' and relpersistence <> 't' and nspname not in ('pg_catalog', 'information_schema')
    and nspname !~ '^pg_toast' and not exists (select from pg_depend where objid = c.oid and deptype = 'e') \gexec
SQL
    ) || { echo "$database cannot be asked" && return 2; }
    here=$(printf '%s\n' "$here" | awk 'NF { rows += $1; tables++ } END { printf "%d rows in %d tables", rows, tables }')
    [ "$in_file" = "$here" ] && echo "$database has the dump's $here" && return
    echo "the dump has $in_file, $database has $here"
    return 1
}

undo() {
    name_is_good && alone || return
    # However far it came: the one set aside is known by its oid, the restored one by its mark.
    asked <<- SQL
	set client_min_messages = warning;
	\\set existed $captured_existed
	\\set oid '${captured_oid:-0}'
	select count(pg_terminate_backend(pid)) as ended from pg_stat_activity where datname in (:'name', :'incoming', :'before') \\gset
	select format('drop database %I', datname) from pg_database where datname = :'incoming' \\gexec
	begin;
	select format('alter database %I rename to %I', :'name', :'incoming') from pg_database
	    where datname = :'name' and oid::text <> :'oid' and exists (select from pg_db_role_setting, unnest(setconfig) one
	    where setdatabase = oid and setrole = 0 and one like 'cutover.restored_from=%') \\gexec
	select format('alter database %I rename to %I', datname, :'name') from pg_database
	    where datname = :'before' and oid::text = :'oid' \\gexec
	commit;
	select format('drop database %I', datname) from pg_database where datname = :'incoming' \\gexec
	SQL
}

verify_undo() {
    now=$(echo "select max(oid::bigint) from pg_database where datname = :'name';" | asked) || return 2
    if [ "$now" = "$captured_oid" ]; then
        if [ -n "$now" ]; then echo "$database is the one of before"; else echo "there is no $database, as before"; fi
        return
    fi
    echo "$database is not the one of before"
    return 1
}
