# recipe: Look whether the host bears its load: memory, disks, processors, database connections, web workers
# group: after
# danger: none
# undo: nothing to take back
# param: memory least memory that must be available, in percent (default 10)
# param: paths folders whose disks are looked at, one a line (default /)
# param: disk most of a disk's room and inodes that may be used, in percent (default 90)
# param: load most load of the last minute for each processor (default 2)
# param: connections most of PostgreSQL's connections that may be used, in percent (optional: it is not asked)
# param: status URL of Apache's machine-readable status, ending in ?auto (optional: it is not asked)
# param: workers most of Apache's workers that may be busy, in percent (default 80)
# param: host where PostgreSQL listens, a socket's folder or a name (optional: as the client finds it)
# param: port its port (optional: as the client finds it)
# param: account the account that speaks to PostgreSQL when the login is root (default postgres)
# needs: awk df
# shellcheck shell=sh disable=SC2154

sql() (
    export PGCONNECT_TIMEOUT=10 PGDATABASE=postgres
    if [ -n "${host-}" ]; then export PGHOST="$host"; fi
    if [ -n "${port-}" ]; then export PGPORT="$port"; fi
    set -- psql -XAtqw -c "$1"
    [ "$(id -u)" = 0 ] || exec "$@"
    account=${account:-postgres}
    group=$(id -gn -- "$account") && cd / || exit
    exec setpriv --reuid="$account" --regid="$group" --init-groups -- "$@"
)

figures() {
    # Lines `what figure relation limit`; the first word of one that cannot be had is `unknown`.
    awk -v limit="${memory:-10}" '/^MemTotal:/ { all = $2 } /^MemAvailable:/ { free = $2 }
        END { if (all) printf "memory available %d%% least %s\n", 100 * free / all, limit; else print "unknown memory" }' /proc/meminfo
    awk -v limit="${load:-2}" -v cpus="$(grep -c '^processor' /proc/cpuinfo)" '
        { printf "load %.2f most %s\n", $1 / (cpus ? cpus : 1), limit }' /proc/loadavg
    printf '%s\n' "${paths:-/}" | while IFS= read -r path; do
        [ -n "$path" ] || continue
        used=$(df -P -- "$path" 2> /dev/null | awk 'NR == 2 { sub("%", "", $(NF - 1)); print $(NF - 1) }')
        inodes=$(df -Pi -- "$path" 2> /dev/null | awk 'NR == 2 { sub("%", "", $(NF - 1)); print $(NF - 1) + 0 }')
        printf '%s\n' "disk of $path ${used:-unknown}% most ${disk:-90}" "inodes of $path ${inodes:-unknown}% most ${disk:-90}"
    done
    if [ -n "${connections-}" ]; then
        used=$(sql "select count(*) * 100 / current_setting('max_connections')::int from pg_stat_activity where backend_type = 'client backend'")
        echo "PostgreSQL's connections ${used:-unknown}% most $connections"
    fi
    if [ -n "${status-}" ]; then
        curl -sS -m 10 -- "$status" | awk -v limit="${workers:-80}" '
            /^BusyWorkers:/ { busy = $2 } /^IdleWorkers:/ { idle = $2; seen = 1 }
            /^Scoreboard:/ { open = $2; gsub(/[^.]/, "", open); room = length(open) }
            END { if (seen) printf "Apache\047s busy workers %d%% most %s\n", 100 * busy / (busy + idle + room), limit
                else print "Apache\047s busy workers unknown most " limit }'
    fi
}

looked() {
    for one in "${memory:-10}" "${disk:-90}" "${load:-2}" "${connections:-0}" "${workers:-80}"; do
        case $one in '' | *[!0-9.]* | *.*.*) echo "a limit is a number: $one" && return 2 ;; esac
    done
    figures | awk '
        { relation = $(NF - 1); limit = $NF; shown = $(NF - 2); figure = shown; sub("%", "", figure); $NF = ""; $(NF - 1) = "" }
        { sub(/ +$/, "") }
        shown !~ /^[0-9.]+%?$/ { unknown = unknown "; " $0; next }
        (relation == "most" && figure + 0 > limit + 0) || (relation == "least" && figure + 0 < limit + 0) {
            over = over "; " $0 " (" relation " " limit ")"; next }
        { fine = fine ", " $0 }
        END {
            if (over != "") { print "not within limits: " substr(over unknown, 3); exit 1 }
            if (unknown != "") { print "cannot be seen: " substr(unknown, 3); exit 2 }
            print "within limits: " substr(fine, 3)
        }'
}

probe() {
    # It is a look: it is always made anew.
    return 1
}

apply() {
    looked
}

verify() {
    looked
}

undo() {
    # It only looked.
    return 0
}
