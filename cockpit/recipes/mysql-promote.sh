# recipe: Promote a MySQL or MariaDB replica once it has replayed all that its primary wrote
# group: data
# danger: high the replica becomes a server of its own that takes writes: close the primary first
# undo: cannot be: what it followed is forgotten; the old primary, still closed, can be opened again
# param: primary where the primary listens (optional: `position` says how far it came)
# param: primary_port its port (default 3306)
# param: position the primary's last position, FILE:POSITION from SHOW MASTER STATUS after it was closed (optional: it is asked)
# param: lose yes: promote with what has arrived when the primary cannot be asked (default no)
# param: within how many seconds to wait for the replay (default 60)
# param: socket the server's socket (optional: as the client finds it)
# param: host where the server listens (optional: this host, by its socket)
# param: port its port (optional: as the client finds it)
# param: user the account (optional: the login's name)
# param: password the account's password, a secret (optional)
# needs: mariadb|mysql my_print_defaults
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

word() {
    # What this server calls a replica.
    if sql -e 'show replica status' > /dev/null 2>&1; then echo replica; else echo slave; fi
}

state() {
    # `read FILE:POSITION` and `done FILE:POSITION` of what it follows; nothing when it follows nobody.
    client mysql --batch -e "show $(word) status\G" | awk '
        { sub(":", "") }
        $1 ~ /^(Master|Source)_Log_File$/ { file = $2 }
        $1 ~ /^Read_(Master|Source)_Log_Pos$/ { position = $2 }
        $1 ~ /^Relay_(Master|Source)_Log_File$/ { done_file = $2 }
        $1 ~ /^Exec_(Master|Source)_Log_Pos$/ { done = $2 }
        $1 == "Last_SQL_Error" && NF > 1 { $1 = ""; print "error" $0 }
        END { if (done != "") print "read " file ":" position "\ndone " done_file ":" done; print "asked" }'
}

asked() {
    # One line of that, or status 2 when the server cannot be asked.
    sql -e 'select 1' > /dev/null || return 2
    state | sed -n "s/^$1 //p"
}

probe() {
    follows=$(asked 'done') || return 2
    [ -z "$follows" ] && [ "$(sql -e 'select @@global.read_only')" = 0 ]
}

capture() {
    follows=$(asked 'done') && printf 'followed=%s\nread_only=%s\n' "$follows" "$(sql -e 'select @@global.read_only')"
}

reached() {
    # Whether position $1 is at or behind $2: the number of the file counts, then the place in it.
    printf '%s\n%s\n' "$1" "$2" | awk '
        { n = $0; sub(/:[0-9]*$/, "", n); sub(/.*\./, "", n); p = $0; sub(/.*:/, "", p); file[NR] = n + 0; place[NR] = p + 0 }
        END { exit !(file[2] > file[1] || (file[2] == file[1] && place[2] >= place[1])) }'
}

apply() {
    within=${within:-60}
    case $within in *[!0-9]*) echo "within: $within is no number of seconds" && return 1 ;; esac
    case ${lose:-no} in yes | no) ;; *) echo "lose is yes or no" && return 1 ;; esac
    follows=$(asked 'done') || { echo "the server cannot be asked" && return 1; }
    if [ -n "$follows" ]; then
        goal=${position-}
        if [ -z "$goal" ] && [ -n "${primary-}" ]; then
            goal=$(
                unset socket
                host=$primary port=${primary_port:-3306}
                { sql -e 'show master status' 2> /dev/null || sql -e 'show binary log status'; } | awk '{ print $1 ":" $2 }'
            )
        fi
        if [ -z "$goal" ]; then
            [ "${lose:-no}" = yes ] || { echo "the primary cannot be asked how far it came: nothing was changed" && return 1; }
            goal=$(asked 'read') || return
        fi
        case $goal in
            *.*[0-9]:*[0-9]) ;;
            *) echo "$goal is no position FILE:POSITION: nothing was changed" && return 1 ;;
        esac
        until=$(($(date +%s) + within))
        until follows=$(asked 'done') && reached "$goal" "$follows"; do
            wrong=$(asked error)
            [ -z "$wrong" ] || { echo "the replay has stopped: $wrong: nothing was changed" && return 1; }
            [ "$(date +%s)" -lt "$until" ] || { echo "the replica is at $follows, not yet at $goal: nothing was changed" && return 1; }
            sleep 0.2
        done
        sql -e "stop $(word); reset $(word) all" || { echo "the server does not let go of its primary" && return 1; }
    fi
    sql -e 'set global read_only = 0' || { echo "the server cannot be opened" && return 1; }
    echo "promoted at ${goal:-what it had}"
}

verify() {
    follows=$(asked 'done') || { echo "the server cannot be asked" && return 2; }
    [ -z "$follows" ] || { echo "it is a replica still" && return 1; }
    [ "$(sql -e 'select @@global.read_only')" = 0 ] || { echo "it takes no writes: it is set read-only" && return 1; }
    name=cutover_probe_$$
    sql -e "create database $name; drop database $name" || { echo "it takes no writes" && return 1; }
    if my_print_defaults mysqld mariadb mariadbd server 2> /dev/null | grep -Eiq '^--read[-_]only(=(1|on|true))?$'; then
        echo "it takes a write, but the files of options make it read-only again at its next start"
        return 1
    fi
    echo "it is a server of its own and takes a write"
}

undo() {
    follows=$(asked 'done') || return
    [ -z "$follows" ] || { echo "it is a replica still: nothing to take back" && return; }
    echo "a promoted server cannot follow its old primary again: open the old one, and make this one a replica anew"
    return 1
}

verify_undo() {
    follows=$(asked 'done') || return 2
    [ -n "$follows" ] && echo "it is a replica"
}
