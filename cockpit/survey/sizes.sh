# How large data sets are, and how much of them was changed lately. It only reads. `path NUMBER PATH SECONDS`,
# `postgresql NUMBER NAME PORT ACCOUNT` and `mysql NUMBER NAME PORT` are called behind this text, with names quoted by the program.
# shellcheck shell=sh disable=SC2089,SC2090

by_ctime=
find / -prune -newerct @0 > /dev/null 2>&1 && by_ctime=1

# Files and their bytes. -q makes newlines in names question marks, so that each file is one line.
walk() {
    find "$@" -exec ls -lnqd -- {} + 2> /dev/null | LC_ALL=C awk '/^-/ { n++; s += $5 } END { printf "%d\t%.0f", n, s }'
}

path() {
    if [ ! -e "$2" ]; then
        printf 'missing\t%s\n' "$1"
        return
    fi
    began=$(date +%s)
    all=$(walk "$2" -xdev -type f)
    took=$(($(date +%s) - began))
    if [ -n "$by_ctime" ]; then
        changed=$(walk "$2" -xdev -type f -newerct "@$((began - $3))")
    else
        changed=$(walk "$2" -xdev -type f -mmin "-$((($3 + 59) / 60 + 1))")
    fi
    printf 'path\t%s\t%s\t%s\t%s\n' "$1" "$all" "$changed" "$took"
}

postgresql() {
    ask="select pg_database_size(datname) from pg_database where datname = :'name'"
    name=$2 port=$3
    export ask name port PGCONNECT_TIMEOUT=5
    # shellcheck disable=SC2016  # the other shell fills it in
    run='cd / && printf "%s\n" "$ask" | psql -XAtqw ${port:+-p "$port"} -v "name=$name" postgres'
    if [ "$(id -u)" = 0 ]; then
        size=$(su -s /bin/sh "${4:-postgres}" -c "$run" 2> /dev/null)
    else
        size=$(sh -c "$run" 2> /dev/null)
    fi
    printf 'database\t%s\t%s\n' "$1" "$size"
}

mysql() {
    name=$(printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n')
    ask="select coalesce(sum(data_length + index_length), 0) from information_schema.tables where hex(table_schema) = upper('$name')"
    client=mariadb
    command -v mariadb > /dev/null || client=mysql
    size=$(printf '%s\n' "$ask" | command "$client" --connect-timeout=5 ${3:+"--port=$3"} -N -B 2> /dev/null)
    printf 'database\t%s\t%s\n' "$1" "$size"
}
