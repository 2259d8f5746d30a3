# recipe: Transform the content of the single site and import it into a new multisite database, in batches, with progress
# group: data
# danger: low the server is busy; the database takes its name only when it is whole
# undo: drops the imported database, with what was written since
# param: source the database of this server that holds the old site's content as it came
# param: database the multisite database to make; until it is whole it is called NAME_import
# param: domains section=domain one a line: which domain shows which section of the old site
# param: owner the role that owns the database
# param: batch articles in one batch (default 500)
# needs: psql setpriv
# shellcheck shell=sh disable=SC2154

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

client() (
    # As the server's own account: peer authentication knows no root.
    export PGDATABASE="$1" PGCONNECT_TIMEOUT=10 PGAPPNAME="import of $database"
    shift
    unset PGSERVICE
    export PGOPTIONS='-c client_min_messages=warning'
    HOME=$(getent passwd postgres | cut -d : -f 6)
    cd / || exit
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- psql -XAtqw -v ON_ERROR_STOP=1 "$@"
)

fit() {
    for name in "$source" "$database" "$owner"; do
        case $name in '' | [!a-z]* | *[!a-z0-9_]*) refuse "no name of a database or a role: $name" ;; esac
        [ "${#name}" -le 50 ] || refuse "the name is too long: $name"
    done
    [ "$source" != "$database" ] || refuse "source and database are the same"
    case ${batch:-500} in *[!0-9]* | 0*) refuse "the batch is a number" ;; esac
    printf '%s\n' "$domains" | while IFS= read -r pair; do
        case $pair in
            *[!A-Za-z0-9.=_-]* | =* | *= | *=*=*) exit 1 ;;
            *=*) ;;
            *) exit 1 ;;
        esac
    done || refuse "domains are lines of section=domain"
    # Only letters, digits, dots, dashes and underscores are left: they need no quoting in SQL.
    pairs=$(printf '%s\n' "$domains" | sed "s/\(.*\)=\(.*\)/('\1','\2')/" | tr '\n' ',')
    pairs=${pairs%,}
}

# 0: the database is there, 1: it is not, 2: nobody can tell.
there() {
    found=$(client postgres -c "select count(*) from pg_database where datname = '$1'") || {
        echo "the server cannot be asked"
        return 2
    }
    [ "$found" = 1 ]
}

# What it was made from stands in the database's comment, which it gets in one stroke with its name.
made() {
    [ "$(client postgres -c "select shobj_description(oid, 'pg_database') from pg_database where datname = '$1'")" = \
        "imported from $source" ]
}

probe() {
    fit
    there "$database" || return
    made "$database"
}

capture() {
    fit
    there "$database"
    case $? in
        0)
            echo "there is a database $database already: an import makes a new one" >&2
            return 1
            ;;
        1) ;;
        *) return 2 ;;
    esac
    echo "was=absent"
}

# What a broken off attempt still does on the server comes to its end first.
drop() {
    client postgres -c "select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where application_name = 'import of $database' and pid <> pg_backend_pid()" > /dev/null &&
        client postgres -c "drop database if exists $1 with (force)"
}

apply() {
    fit
    if there "$database"; then
        made "$database" && echo "$database is whole already" && return
        echo "there is a database $database that is not ours"
        return 1
    fi
    there "$source" || {
        echo "there is no database $source to import from"
        return 1
    }
    strange=$(client "$source" -c "select string_agg(distinct section, ', ') from node
        where section not in (select s from (values $pairs) as d (s, n))") || return
    [ -z "$strange" ] || {
        echo "no domain shows these sections: $strange"
        return 1
    }
    new=${database}_import
    drop "$new" && client postgres -c "create database $new owner $owner" || return
    client "$new" << SQL || return
set role $owner;
create table domain (name text primary key, section text unique not null);
insert into domain (section, name) values $pairs;
create table users (uid serial primary key, name text unique not null, pass text not null);
create table preferences (uid integer references users, key text, value text, primary key (uid, key));
create table node (nid serial primary key, number integer not null, title text not null, body text not null);
create table domain_access (nid integer primary key references node, domain text not null references domain);
create table sessions (sid text primary key, number integer not null, uid integer not null);
create table cache_form (cid serial primary key, number integer not null, form text not null);
create table import (last integer not null);
SQL
    carry 'select uid, name, pass from users' 'users (uid, name, pass)' || return
    carry 'select uid, key, value from preferences' 'preferences (uid, key, value)' || return
    all=$(client "$source" -c 'select count(*) from node') || return
    last=0
    count=0
    while :; do
        end=$(client "$source" -c "select max(nid) from (select nid from node where nid > $last order by nid limit ${batch:-500}) b") || return
        [ -n "$end" ] || break
        part="from node where nid > $last and nid <= $end order by nid"
        carry "select nid, number, title, body $part" 'node (nid, number, title, body)' || return
        carry "select nid, name $(printf '%s' "$part" | sed "s/from node/from node join (values $pairs) as d (s, name) on s = section/")" \
            'domain_access (nid, domain)' || return
        count=$(client "$new" -c 'select count(*) from domain_access') || return
        last=$end
        echo "$count of $all articles imported, $((count * 100 / all)) %"
    done
    client "$new" << SQL > /dev/null || return
insert into import values ($last);
select setval('users_uid_seq', (select coalesce(max(uid), 0) + 1 from users), false);
select setval('node_nid_seq', $last + 1, false);
SQL
    client postgres << SQL || return
begin;
comment on database $new is 'imported from $source';
alter database $new rename to $database;
commit;
SQL
    echo "$database is whole: $count articles on $(printf '%s\n' "$domains" | grep -c =) domains"
}

# Rows of the one database into a table of the other. The last line says that nothing was cut off on the way: without it nothing
# is taken.
carry() {
    client "$source" -c "copy ($1) to stdout; select 'whole'" | into="$2" awk '
        BEGIN { print "begin; copy " ENVIRON["into"] " from stdin;" }
        NR > 1 { print before }
        { before = $0 }
        END { print "\\."; print before == "whole" ? "commit;" : "select 1 / 0;" }' | client "$new" || {
        echo "the rows for ${2%% *} were not taken"
        return 1
    }
}

verify() {
    fit
    there "$database" || {
        echo "there is no database $database"
        return 1
    }
    ask="select count(*), coalesce(md5(string_agg(concat_ws(' ', nid, number, title, md5(body)), ',' order by nid)), '-') from node"
    who="select count(*), coalesce(md5(string_agg(concat_ws(' ', uid, name, pass), ',' order by uid)), '-') from users"
    last=$(client "$database" -c 'select last from import') && first=$(client "$source" -c "$ask") &&
        came=$(client "$database" -c "$ask where nid <= $last") && people=$(client "$source" -c "$who") &&
        most=$(client "$source" -c 'select coalesce(max(uid), 0) from users') &&
        now=$(client "$database" -c "$who where uid <= $most") &&
        lone=$(client "$database" -c 'select count(*) from node left join domain_access using (nid) where domain is null') || return 2
    [ "$first" = "$came" ] || {
        echo "the articles are not the same: ${first%%|*} came, ${came%%|*} are in $database"
        return 1
    }
    [ "$people" = "$now" ] || {
        echo "the users are not the same: ${people%%|*} came, ${now%%|*} are in $database"
        return 1
    }
    [ "$lone" = 0 ] || {
        echo "$lone articles are on no domain"
        return 1
    }
    echo "${came%%|*} articles and ${now%%|*} users are the same, and each article is on a domain"
}

undo() {
    fit
    drop "${database}_import" || return
    [ "${captured_was-}" = absent ] || return 0
    drop "$database" && echo "$database is gone"
}

verify_undo() {
    fit
    there "$database"
    case $? in
        0) echo "$database is still there" && return 1 ;;
        1) echo "there is no $database" ;;
        *) return 2 ;;
    esac
}
