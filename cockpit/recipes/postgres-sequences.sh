# recipe: Move PostgreSQL's sequences that lie behind their tables' values up to them
# group: data
# danger: low ids that the sequences would have given out again are left out
# undo: puts each moved sequence back to its value
# param: database the database
# param: host where the server listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: user the role (optional: the account's name)
# param: password the role's password, a secret (optional)
# param: account the account that speaks to the server when the login is root (default postgres)
# needs: psql setpriv|perl|su base64
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

behind() {
    # One SQL line for each sequence whose next value a column that it feeds may already hold: what would put it there ($1 is
    # `ahead`), back to where it is (`back`), or its name (`name`).
    sql -v want="$1" << 'SQL'
set search_path = '';
select format($q$select case %L when 'ahead' then format('select setval(%%L::regclass, %%s);', %L, edge)
        when 'back' then format('select setval(%%L::regclass, %%s, %%L);', %L, last_value, is_called) else %L end
        from %s, (select %s(%I)::bigint edge from %s) t
        where edge is not null and case when is_called then (edge - last_value) * %s > 0 else (edge - last_value) * %s >= 0 end$q$,
    :'want', s.oid::regclass, s.oid::regclass, s.oid::regclass,
    s.oid::regclass, case when seqincrement > 0 then 'max' else 'min' end, attname, attrelid::regclass,
    sign(seqincrement), sign(seqincrement))
from pg_class s join pg_sequence on seqrelid = s.oid join (
    select objid as seq, refobjid as attrelid, refobjsubid as attnum from pg_depend
        where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and deptype in ('a', 'i') and refobjsubid > 0
    union
    select refobjid, adrelid, adnum from pg_depend join pg_attrdef d on d.oid = objid
        where classid = 'pg_attrdef'::regclass and refclassid = 'pg_class'::regclass and deptype = 'n') fed on fed.seq = s.oid
    join pg_attribute using (attrelid, attnum) join pg_type y on y.oid = atttypid and typcategory = 'N'
where s.relkind = 'S' order by s.oid::regclass::text \gexec
SQL
}

probe() {
    late=$(behind name) || return 2
    [ -z "$late" ]
}

capture() {
    back=$(behind back) || return
    printf 'back=%s\n' "$(printf '%s\n' "$back" | base64 | tr -d '\n')"
}

apply() {
    late=$(behind name) || { echo "the sequences of $database cannot be read" && return 1; }
    # Two columns may be fed by one sequence: until nothing is behind.
    tries=0
    while ahead=$(behind ahead) && [ -n "$ahead" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 20 ] || { echo "sequences fall behind as they are moved: freeze $database first" && return 1; }
        printf 'begin;\n%s\ncommit;\n' "$ahead" | sql > /dev/null || { echo "the sequences cannot be moved" && return 1; }
    done
    echo "$(printf '%s' "$late" | grep -c .) sequences were moved up"
}

verify() {
    # What the next value would be, as the server shows it to everybody, against what stands in each column that takes it.
    said=$(sql << 'SQL'
set search_path = '';
select format($q$select %L where exists (select from %s where %I = (select coalesce(last_value + increment_by, start_value)
        from pg_catalog.pg_sequences where format('%%I.%%I', schemaname, sequencename)::regclass = %s))$q$,
    attrelid::regclass || '.' || attname, attrelid::regclass, attname, s.oid)
from pg_class s join pg_depend on objid = s.oid and classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass
    and deptype in ('a', 'i') join pg_attribute on attrelid = refobjid and attnum = refobjsubid
where s.relkind = 'S' \gexec
SQL
    ) || { echo "the sequences of $database cannot be read" && return 2; }
    late=$(behind name) || return 2
    said=$said$late
    [ -z "$said" ] && echo "no sequence of $database would give out a value that is taken" && return
    printf 'behind: %s\n' "$(printf '%s' "$said" | tr '\n' ' ')"
    return 1
}

undo() {
    back=$(printf '%s' "$captured_back" | base64 -d) || return
    printf 'begin;\n%s\ncommit;\n' "$back" | sql > /dev/null
}

verify_undo() {
    [ "$(behind back)" = "$(printf '%s' "$captured_back" | base64 -d)" ] && echo "the sequences are where they were"
}
