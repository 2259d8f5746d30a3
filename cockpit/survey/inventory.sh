# What is on a host that a cutover would have to move. It only reads: files as text, never as something to run, and databases
# through their own clients, in sessions that cannot write. One line a find, its fields apart by tabs; a newline in the name of a
# file comes as \001. What could not be read is told as a note.
# shellcheck shell=sh

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
file=
export PATH LC_ALL=C file
tab=$(printf '\t')
here=$(id -u)

have() { command -v "$1" > /dev/null 2>&1; }
note() { printf 'note\t%s\n' "$1"; }
# Lines of standard input under a kind.
as() { tr -d '\000' | awk -v kind="$1" '{ print kind "\t" $0 }'; }
bounded() { if have timeout; then timeout 60 "$@"; else "$@"; fi; }
# Names of files, one a line; tabs and newlines in them are made visible.
named() { tr '\n\t\000' '\001\002\n'; }
# The files of packages are no find: their package brings them along.
owned() { have rpm && rpm -qf "$1" > /dev/null 2>&1; }
# Finds as they are, with a line more for each field $1 that names no folder: what is configured need not be there.
foldered() {
    while IFS= read -r line; do
        printf '%s\n' "$line"
        path=$line at=$1
        while [ "$at" -gt 1 ]; do path=${path#*"$tab"} at=$((at - 1)); done
        path=${path%%"$tab"*}
        case $path in /*) [ -d "$path" ] || printf 'absent\t%s\n' "$path" ;; esac
    done
}

# --- the machine ---
printf 'host\tname\t%s\n' "$(hostname 2> /dev/null || cat /etc/hostname)"
awk -F= '$1 == "PRETTY_NAME" { gsub(/"/, "", $2); print "host\tsystem\t" $2 }' /etc/os-release 2> /dev/null
[ "$here" = 0 ] || note "not root: crontabs, at jobs, databases and mail of others may be missing"

# --- who is a person ---
defined() { awk -v key="$1" '$1 == key && $2 ~ /^[0-9]+$/ { n = $2 } END { print n }' /etc/login.defs 2> /dev/null; }
# Where people's ids begin: the host's own word for it, else what was usual when it was made.
begins() {
    least=$(defined "$1")
    if [ -z "$least" ] && grep -qs 'release [2-6]\b' /etc/redhat-release; then least=500; fi
    if [ "${least:-1000}" -gt 1000 ]; then least=1000; fi
    echo "${least:-1000}"
}
# Where those of packages end: the host's own word, else what tools have built in, even where people's begin below.
ends() {
    most=$(defined "$1")
    if [ -z "$most" ] && grep -qs 'release [2-6]\b' /etc/redhat-release; then most=499; fi
    echo "${most:-999}"
}
# The accounts as `person LINE` and `package LINE`. Who came from an older host can have an id below those of people, with a home
# and a shell as people have them. Where ids may be of both, a package's account lives where packages do, and nobody is let in.
sorted() {
    { getent passwd 2> /dev/null || cat /etc/passwd; } | tr '\t' ' ' | awk -F: -v least="$(begins UID_MIN)" -v most="$(ends SYS_UID_MAX)" '
        { let = $7 !~ /\/(nologin|false|sync)$/; theirs = $6 ~ /^(\/?|\/(var|run|usr|etc|opt|bin|sbin|lib|lib64|dev|proc|nonexistent)(\/.*)?)$/ }
        $3 < 100 || $3 >= 65000 { next }
        $3 < least { if ($6 ~ /^\/home\// && let) print "person " $0; next }
        $3 > most || !theirs { print "person " $0; next }
        !let { print "package " $0; next }
        { print "doubt " $0 }' | while IFS= read -r line; do
        case $line in
            doubt\ *)
                line=${line#doubt } kind=package
                name=${line%%:*} home=${line%:*} home=${home##*:}
                # One with a password or a key is somebody.
                case $(getent shadow "$name" 2> /dev/null | cut -d : -f 2) in '' | '!'* | '*'* | x) ;; *) kind=person ;; esac
                [ ! -s "$home/.ssh/authorized_keys" ] || kind=person
                printf '%s %s\n' "$kind" "$line"
                ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
}
known=$(sorted)
people() { printf '%s\n' "$known" | sed -n 's/^person //p'; }
packages() { printf '%s\n' "$known" | sed -n 's/^package //p'; }
# The groups of people. One that begins a package's account is none, unless it is a person's, too, or has a person in it.
groups() {
    {
        people | sed 's/^/person:/'
        packages | sed 's/^/package:/'
        { getent group 2> /dev/null || cat /etc/group; } | tr '\t' ' ' | sed 's/^/group:/'
    } | awk -F: -v least="$(begins GID_MIN)" '
        $1 == "person" { is[$2]; own[$5]; next }
        $1 == "package" { begun[$5]; next }
        { theirs = $4 in own; n = split($5, a, ","); for (i = 1; i <= n; i++) if (a[i] in is) theirs = 1 }
        $4 < 65000 && ($4 in own || ($4 >= least && (theirs || !($4 in begun)))) { print "group\t" $2 "\t" $4 "\t" $5 }'
}

# --- what listens ---
# With the program, and with the unit that it runs in, where systemd keeps account of that.
unit_of='function unit_of(pid,    file, line, name) { file = "/proc/" pid "/cgroup"; name = ""
    while (pid != "" && (getline line < file) > 0)
        if (line ~ /^(0:|[0-9]+:name=systemd):/ && match(line, /\/[^\/]+\.service(\/|$)/)) { name = substr(line, RSTART + 1, RLENGTH - 1); sub(/\/$/, "", name) }
    close(file)
    return name }
'
if have ss; then
    ss -Hlntup 2> /dev/null | awk "$unit_of"'{ p = pid = ""; if (match($0, /users:\(\("[^"]*"/)) p = substr($0, RSTART + 9, RLENGTH - 10)
        if (match($0, /pid=[0-9]+,fd=[0-9]+\)\)[ \t]*$/)) { pid = substr($0, RSTART + 4); sub(/,.*/, "", pid) }
        n = split($5, a, ":"); port = a[n]; address = substr($5, 1, length($5) - length(port) - 1); print "listen\t" $1 "\t" address "\t" port "\t" p "\t" unit_of(pid) }' | sort -u
elif have netstat; then
    netstat -lntup 2> /dev/null | awk "$unit_of"'/^(tcp|udp)/ { n = split($4, a, ":"); port = a[n]; address = substr($4, 1, length($4) - length(port) - 1)
        p = pid = ""; for (i = 6; i <= NF && pid == ""; i++) if ($i ~ /^[0-9]+\//) { p = pid = $i; sub(/^[0-9]+\//, "", p); sub(/:$/, "", p); sub(/\/.*/, "", pid) }
        print "listen\t" substr($1, 1, 3) "\t" address "\t" port "\t" p "\t" unit_of(pid) }' | sort -u
else
    note "neither ss nor netstat: what listens is not known"
fi

# --- what starts with the host, whether it listens or not ---
# A unit's name, whether it is started (`enabled`), its package's (`packaged`) or neither (`own`), and what it runs.
started() {
    command=$(sed -n 's/^ExecStart[ \t]*=[-@+!:|\t ]*//p' "$3" 2> /dev/null | head -n 1 | tr '\t' ' ')
    printf 'unit\t%s\t%s\t%s\t%s\n' "$1" "${2##*/}" "$4" "$command"
}
for file in /etc/systemd/system/*.wants/*.service /etc/systemd/system/*.requires/*.service; do
    [ -f "$file" ] || continue
    case $(readlink "$file") in /lib/* | /usr/lib/*) started systemd "$file" "$file" packaged ;; *) started systemd "$file" "$file" enabled ;; esac
done | sort -u
for file in /etc/systemd/system/*.service; do
    if [ -f "$file" ] && [ ! -L "$file" ]; then started systemd "$file" "$file" own; fi
done
for file in /etc/rc[2345].d/S* /etc/rc.d/rc[2345].d/S*; do
    [ -x "$file" ] && script=$(readlink "$file") && script=/etc/init.d/${script##*/} && printf '%s\n' "$script"
done | sort -u | while IFS= read -r file; do
    if owned "$file"; then how=packaged; else how=enabled; fi
    printf 'unit\tsysv\t%s\t%s\t%s\n' "${file##*/}" "$how" "$file"
done
for file in /etc/init/*.conf; do
    if [ -f "$file" ] && grep -q '^[[:space:]]*start on' "$file" && ! owned "$file"; then
        printf 'unit\tupstart\t%s\tenabled\t%s\n' "$(basename "$file" .conf)" "$file"
    fi
done
for file in /etc/rc.local /etc/rc.d/rc.local; do
    [ -x "$file" ] && [ ! -L "$file" ] && grep -v '^[[:space:]]*\(#\|$\|exit\b\)' "$file" 2> /dev/null | tr '\t' ' ' | as "unit${tab}rc.local${tab}rc.local${tab}enabled"
done
[ -f /etc/inittab ] && awk -F: '!/^[ \t]*#/ && $3 ~ /respawn/ && $0 !~ /getty/ { gsub(/\t/, " "); c = $0; sub(/^[^:]*:[^:]*:[^:]*:/, "", c); print "unit\tinittab\t" $1 "\tenabled\t" c }' /etc/inittab 2> /dev/null
for file in /etc/supervisor/supervisord.conf /etc/supervisord.conf /etc/supervisor/conf.d/*.conf /etc/supervisord.d/*.ini /etc/supervisord.d/*.conf; do
    [ -f "$file" ] || continue
    awk '/^[ \t]*\[/ { name = ""; if (match($0, /^[ \t]*\[(fcgi-)?(program|eventlistener):[^]]+/)) { name = substr($0, 1, RLENGTH); sub(/^[^:]*:/, "", name) } }
        name != "" && /^command[ \t]*=/ { sub(/^command[ \t]*=[ \t]*/, ""); gsub(/\t/, " "); print "unit\tsupervisor\t" name "\tenabled\t" $0 }' "$file" 2> /dev/null
done
for file in /etc/service/*/run /service/*/run; do
    [ -x "$file" ] && folder=${file%/run} && printf 'unit\trunit\t%s\tenabled\t%s\n' "${folder##*/}" "$file"
done
# What runs although nothing of the above starts it, as a worker that somebody left behind in a screen: of people, or out of a
# place that no package fills. Neither what listens, nor what hangs on a login or on a job, nor what these have begun.
folk=" $(people | cut -d : -f 3 | tr '\n' ' ')"
opened=$(ss -Hlntup 2> /dev/null | grep -o 'pid=[0-9]*' | sort -u | tr '\n' ' ')
cat /proc/[0-9]*/status 2> /dev/null | opened=$opened awk 'BEGIN { n = split(ENVIRON["opened"], a, " "); for (i = 1; i <= n; i++) { sub(/pid=/, "", a[i]); stop[a[i]] = 1 } }
    /^Name:/ { name = $2 }
    /^Pid:/ { pid = $2; all[pid] = 1; if (name ~ /^(sshd|sshd-session|login|cron|crond|atd)$/) stop[pid] = 1
        if (name ~ /^(systemd|su|sudo|\(sd-pam\)|screen|SCREEN|tmux.*|ssh-agent|gpg-agent|dbus-daemon|-?(ba|da|k|z|c|tc)?sh)$/) skip[pid] = 1 }
    /^PPid:/ { parent[pid] = $2 }
    /^Uid:/ { uid[pid] = $2 }
    END { for (pid in all) { if (skip[pid]) continue
        at = pid; for (depth = 0; depth < 64 && at > 1 && !stop[at]; depth++) at = parent[at]
        if (pid > 1 && (at <= 1 || !stop[at])) print pid "\t" uid[pid] } }' | while IFS="$tab" read -r pid uid; do
    line=$(tr '\000\t\n' '   ' < "/proc/$pid/cmdline" 2> /dev/null)
    case $line in
        '') continue ;;
        /srv/* | /opt/* | /home/* | /usr/local/* | *' /srv/'* | *' /opt/'* | *' /home/'* | *' /usr/local/'*) ;;
        *) case $folk in *" $uid "*) ;; *) continue ;; esac ;;
    esac
    printf 'process\t%s\t%s\n' "$(id -un "$uid" 2> /dev/null || echo "$uid")" "${line% }"
done | sort -u

# --- web ---
set -- /etc/apache2/sites-enabled/* /etc/apache2/conf-enabled/*.conf /etc/apache2/apache2.conf /etc/httpd/conf/httpd.conf /etc/httpd/conf.d/*.conf
for file; do
    [ -f "$file" ] || continue
    awk 'function tell() { if (inside) printf "vhost\tapache\t%s\t%s\t%s\t%s\n", ENVIRON["file"], name, aliases, root }
        function arg(i) { sub(/^[ \t]*[A-Za-z]+[ \t]+/, ""); sub(/[ \t\r]+$/, ""); gsub(/\t/, " "); gsub(/"/, ""); return $0 }
        tolower($1) ~ /^<virtualhost/ { tell(); inside = 1; name = aliases = root = ""; next }
        tolower($1) ~ /^<\/virtualhost/ { tell(); inside = 0; next }
        tolower($1) == "servername" { name = arg(); sub(/^[a-z]+:\/\//, "", name); sub(/:[0-9]+$/, "", name) }
        tolower($1) == "serveralias" { aliases = aliases (aliases == "" ? "" : " ") arg() }
        tolower($1) == "documentroot" { root = arg() }
        END { tell() }' "$file" 2> /dev/null
done | foldered 6
set -- /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf /etc/nginx/nginx.conf
for file; do
    [ -f "$file" ] || continue
    # Blocks are followed by their braces; names in quotes keep what is in them.
    sed 's/^\([^"#]*\)#.*/\1/' "$file" 2> /dev/null | tr '\t\r\n' '   ' | sed 's/[{};]/&\
/g' | awk '{ sub(/^ +/, "") }
        function tell() { n = split(names, a, / +/); first = a[1]; rest = ""
            for (i = 2; i <= n; i++) rest = rest (rest == "" ? "" : " ") a[i]
            printf "vhost\tnginx\t%s\t%s\t%s\t%s\n", ENVIRON["file"], first, rest, root }
        /^server *\{$/ { at = depth; names = root = ""; inside = 1 }
        inside && /^server_name / { sub(/^server_name +/, ""); sub(/ *;$/, ""); gsub(/"/, ""); names = names (names == "" ? "" : " ") $0 }
        inside && depth == at + 1 && /^root / { sub(/^root +/, ""); sub(/ *;$/, ""); gsub(/"/, ""); root = $0 }
        /\{$/ { depth++ }
        /\}$/ { depth--; if (inside && depth == at) { tell(); inside = 0 } }'
done | foldered 6

# --- names ---
for file in /etc/bind/named.conf.local /etc/bind/named.conf /etc/named.conf; do
    [ -f "$file" ] && awk '/^[ \t]*zone[ \t]+"/ { split($0, a, "\""); print "zone\t" ENVIRON["file"] "\t" a[2] }' "$file" 2> /dev/null
done

# --- jobs ---
for file in /var/spool/cron/crontabs/* /var/spool/cron/*; do
    [ -f "$file" ] || continue
    grep -v '^[[:space:]]*\(#\|$\|[A-Za-z_][A-Za-z0-9_]*[[:space:]]*=\)' "$file" 2> /dev/null | tr '\t' ' ' | as "cron${tab}${file##*/}${tab}$file"
done
for file in /etc/crontab /etc/cron.d/*; do
    [ -f "$file" ] || continue
    grep -v '^[[:space:]]*\(#\|$\|[A-Za-z_][A-Za-z0-9_]*[[:space:]]*=\)' "$file" 2> /dev/null | tr '\t' ' ' | as "cron${tab}${tab}$file"
done
# What packages bring along comes with them on new, too.
grep -hs '^ */etc/\(cron\|init\)' /var/lib/dpkg/info/*.conffiles | sed 's/^ *//; s/ .*//' | as packaged
for often in hourly daily weekly monthly; do
    for file in "/etc/cron.$often"/*; do [ -f "$file" ] && printf '%s\000' "$file" | named | as "cronrun${tab}$often"; done
done
for file in /etc/systemd/system/*.timer /etc/systemd/system/timers.target.wants/*.timer; do
    [ -f "$file" ] || continue
    case $(readlink "$file") in /lib/* | /usr/lib/*) continue ;; esac
    awk -F= '$1 ~ /^On/ { gsub(/\t/, " "); name = ENVIRON["file"]; sub(/.*\//, "", name); print "timer\t" name "\t" $0 }' "$file" 2> /dev/null
done | sort -u
for file in /var/spool/cron/atjobs/* /var/spool/at/*; do
    case ${file##*/} in [a-zA-Z=]?????????????) ;; *) continue ;; esac
    # shellcheck disable=SC2012  # the owner of one file whose name was looked at
    [ -f "$file" ] && printf 'at\t%s\t%s\t%s\n' "${file##*/}" "$(ls -l "$file" | awk '{ print $3 }')" \
        "$(grep -v '^[[:space:]]*$' "$file" 2> /dev/null | tail -n 1 | tr '\t' ' ')"
done

# --- people ---
people | awk -F: '{ print "user\t" $1 "\t" $3 "\t" $4 "\t" $6 "\t" $7 "\t" $5 }' | foldered 5
groups
left=$(packages | cut -d : -f 1 | paste -s -d ' ' -)
[ -z "$left" ] || note "taken for accounts of packages, whose ids are among those of people: $left"

# --- databases ---
# Each server that runs is asked, wherever its socket is: what it says of itself lies in its folder, in which it stands. Anybody can
# give a process that name and write such a file: who says what no server says is not asked, with a note to the third file. None
# runs as root, and a list of folders would lead elsewhere.
clusters() {
    for place in /proc/[0-9]*; do
        case $(cat "$place/comm" 2> /dev/null) in postgres | postmaster) ;; *) continue ;; esac
        data=$(readlink "$place/cwd") && [ -f "$data/postmaster.pid" ] || continue
        said=$(bounded dd if="$data/postmaster.pid" bs=4096 count=1 2> /dev/null | tr -d '\000')
        [ "$(printf '%s\n' "$said" | sed -n 1p)" = "${place##*/}" ] || continue
        port=$(printf '%s\n' "$said" | sed -n 4p) folder=$(printf '%s\n' "$said" | sed -n 5p) odd=
        owner=$(id -nu "$(awk '/^Uid:/ { print $2 }' "$place/status" 2> /dev/null)" 2> /dev/null)
        case $port in '' | *[!0-9]*) odd=1 ;; esac
        case $folder in *,*) odd=1 ;; '' | [/@]*) ;; *) odd=1 ;; esac
        case $folder$data in *[[:cntrl:]]*) odd=1 ;; esac
        case $owner in '' | root) odd=1 ;; esac
        if [ "$odd" ]; then
            note "process ${place##*/} of ${owner:-an account without a name} calls itself a PostgreSQL server, but does not look like one: it was not asked for its databases" >&3
        else
            printf '%s\t%s\t%s\t%s\n' "$port" "$folder" "$owner" "$data"
        fi
    done
}
{ running=$(clusters); } 3>&1
if [ -d /var/lib/postgresql ] || [ -d /var/lib/pgsql ] || [ -n "$running" ]; then
    ask='select datname, pg_get_userbyid(datdba), pg_database_size(datname) from pg_database where not datistemplate'
    # Port, folder of the socket and the account that runs it; what is usual where nothing could be seen.
    printf '%s\n' "${running:-5432$tab${tab}postgres}" | while IFS= read -r line; do
        port=${line%%"$tab"*} line=${line#*"$tab"}
        place=${line%%"$tab"*} line=${line#*"$tab"}
        owner=${line%%"$tab"*} where=
        [ "$port" = 5432 ] || where="port $port"
        # At the other end of the socket must be the same account (libpq, requirepeer).
        # shellcheck disable=SC2016  # the other shell fills it in
        if have psql && [ "$here" = 0 ] && found=$(ask=$ask port=$port place=$place PGREQUIREPEER=$owner bounded su -s /bin/sh "$owner" -c \
            'cd / && PGOPTIONS="-c default_transaction_read_only=on" PGCONNECT_TIMEOUT=5 exec psql ${place:+-h "$place"} -p "$port" -AtXw -F "	" -c "$ask" postgres' 2> /dev/null < /dev/null); then
            [ -z "$found" ] || printf '%s\n' "$found" | where=$where awk '{ print "database\tpostgresql\t" $0 "\t" ENVIRON["where"] }'
        else
            note "PostgreSQL is installed and could not be asked for its databases${where:+ on $where}"
        fi
    done
    for file in /var/lib/postgresql/*/*/PG_VERSION /var/lib/pgsql/data/PG_VERSION /var/lib/pgsql/*/data/PG_VERSION; do
        data=${file%/*}
        [ ! -f "$file" ] || printf '%s\n' "$running" | cut -f 4 | grep -Fxq -e "$data" || note "a PostgreSQL cluster in $data does not run and could not be asked"
    done
fi
sockets() {
    if have ss; then ss -Hlxp 2> /dev/null | awk '/"(mysqld|mariadbd)"/ { print $5 }'; else awk '$NF ~ /^\/.*(mysql|maria)/ { print $NF }' /proc/net/unix 2> /dev/null; fi |
        grep '^/' | grep -v 'mysqlx[.]sock$' | sort -u
}
# Whether a place, or a folder that leads to it, belongs to a person, who can put there what they like.
theirs() {
    at=$(readlink -f -- "$1") least=$(begins UID_MIN)
    while [ -n "$at" ]; do
        # shellcheck disable=SC2012  # the owner of one place
        owner=$(ls -ldn -- "$at" 2> /dev/null | awk 'NR == 1 { print $3 + 0 }')
        ! people | cut -d : -f 3 | grep -qx -e "${owner:-0}" || return 0
        # Who is not listed, as in a directory, is no package's account either.
        [ "${owner:-0}" -lt "$least" ] || packages | cut -d : -f 3 | grep -qx -e "$owner" || return 0
        at=${at%/*}
    done
    return 1
}
if [ -d /var/lib/mysql ] || [ -n "$(sockets)" ]; then
    client=mariadb
    have mariadb || client=mysql
    ask="set session transaction read only; select s.schema_name, '', coalesce(sum(t.data_length + t.index_length), 0)
        from information_schema.schemata s left join information_schema.tables t on t.table_schema = s.schema_name
        where s.schema_name not in ('information_schema', 'performance_schema', 'mysql', 'sys') group by s.schema_name"
    { sockets | grep . || echo; } | while IFS= read -r place; do
        where=
        case $place in '' | /run/mysqld/mysqld.sock | /var/run/mysqld/mysqld.sock | /var/lib/mysql/mysql.sock | /tmp/mysql.sock) ;; *) where="socket $place" ;; esac
        # The server could ask the client of root for a password, or for a file.
        if [ -n "$place" ] && theirs "$place"; then
            note "the MySQL or MariaDB at $place was not asked for its databases: that place belongs to a person"
            continue
        fi
        if have "$client" && found=$(bounded "$client" ${place:+--socket="$place"} --local-infile=0 --connect-timeout=5 -N -B -r -e "$ask" 2> /dev/null < /dev/null); then
            [ -z "$found" ] || printf '%s\n' "$found" | where=$where awk '{ print "database\tmysql\t" $0 "\t" ENVIRON["where"] }'
        else
            note "MySQL or MariaDB is installed and could not be asked for its databases${where:+ on $where}"
        fi
    done
fi
for place in /srv /home /var/www /var/lib /opt /root /usr/local; do [ -d "$place" ] && printf '%s\n' "$place"; done | while read -r place; do
    bounded find "$place" -xdev -type f \( -name '*.sqlite' -o -name '*.sqlite3' -o -name '*.db' \) -size +0 -print0 2> /dev/null
done | named | while IFS= read -r file; do
    real=$(printf '%s.' "$file" | tr '\001\002' '\n\t')
    real=${real%.}
    case $(dd if="$real" bs=15 count=1 2> /dev/null | tr -d '\000') in
        'SQLite format 3') printf 'database\tsqlite\t%s\t\t%s\n' "$file" "$(wc -c < "$real" | tr -d ' ')" ;;
    esac
done

# --- mail ---
# The words of a list of domains; a word that names a table stands for the table's keys.
words() {
    tr ',\t' '  ' | tr -s ' ' '\n' | while IFS= read -r word; do
        case $word in
            '' | '$'*) ;;
            *:/*) [ -f "${word#*:}" ] && awk '/^[^#[:space:]]/ { sub(/.*@/, "", $1); print $1 }' "${word#*:}" ;;
            /*) [ -f "$word" ] && awk '/^[^#[:space:]]/ { sub(/.*@/, "", $1); print $1 }' "$word" ;;
            *) printf '%s\n' "$word" ;;
        esac
    done
}
if [ -f /etc/postfix/main.cf ]; then
    for key in mydestination virtual_alias_domains virtual_mailbox_domains relay_domains; do
        { if have postconf; then postconf -xh "$key" 2> /dev/null; else sed -n "s/^$key *= *//p" /etc/postfix/main.cf; fi; } | words | as "mail${tab}postfix${tab}$key"
    done
    for table in $(postconf -xh virtual_alias_maps 2> /dev/null | tr ',' ' '); do
        case $table in *:/*) awk '/^[^#[:space:]]/ && $1 ~ /@/ { sub(/.*@/, "", $1); print $1 }' "${table#*:}" 2> /dev/null ;; esac
    done | sort -u | as "mail${tab}postfix${tab}virtual_alias_maps"
fi
if [ -f /etc/exim4/update-exim4.conf.conf ]; then
    sed -n "s/^dc_\(other_hostnames\|relay_domains\)='\(.*\)'.*/\2/p" /etc/exim4/update-exim4.conf.conf | tr ':;' '  ' | words | as "mail${tab}exim${tab}dc_other_hostnames"
fi
for file in /etc/exim4/exim4.conf /etc/exim/exim.conf /etc/exim.conf; do
    [ -f "$file" ] && sed -n 's/^[ \t]*domainlist[ \t]*\(local\|relay_to\)_domains[ \t]*=//p' "$file" | tr ':;' '  ' | words | as "mail${tab}exim${tab}local_domains"
done
if [ -d /etc/mail ]; then
    for file in /etc/mail/local-host-names /etc/mail/relay-domains; do [ -f "$file" ] && printf '%s\n' "$file"; done | words | as "mail${tab}sendmail${tab}local-host-names"
    [ -f /etc/mail/virtusertable ] && awk '/^[^#[:space:]]/ && $1 ~ /@/ { sub(/.*@/, "", $1); print $1 }' /etc/mail/virtusertable | sort -u | as "mail${tab}sendmail${tab}virtusertable"
fi
people | awk -F: '{ print $1 "\t" $6 }' | while IFS="$tab" read -r user home; do
    [ -s "$home/.forward" ] && printf 'forward\t%s\t%s\n' "$user" "$(head -n 1 "$home/.forward" 2> /dev/null | tr '\t' ' ')"
    [ -s "/var/mail/$user" ] && printf 'mailbox\t%s\t%s\n' "$user" "/var/mail/$user"
    [ -d "$home/Maildir/cur" ] && printf 'mailbox\t%s\t%s\n' "$user" "$home/Maildir"
done

# --- lists ---
place=$(sed -n 's/^var_dir:[[:space:]]*//p' /etc/mailman3/mailman.cfg 2> /dev/null | tail -n 1)
for folder in "${place:-/var/lib/mailman3}"/lists/*/; do
    [ -d "$folder" ] && folder=${folder%/} && printf 'list\tmailman3\t%s\n' "${folder##*/}"
done
for file in /var/lib/mailman/lists/*/config.pck; do
    [ -f "$file" ] && folder=${file%/*} && printf 'list\tmailman2\t%s\n' "${folder##*/}"
done

# --- repositories ---
for place in /srv /home /var/www /var/lib /opt /root /git /usr/local; do [ -d "$place" ] && printf '%s\n' "$place"; done | while read -r place; do
    bounded find "$place" -xdev \( -name .git -o -name _darcs -o -name .hg -o -name objects -o -name db \) -prune -print0 2> /dev/null
done | named | while IFS= read -r found; do
    real=$(printf '%s.' "$found" | tr '\001\002' '\n\t')
    real=${real%.}
    top=${real%/*}
    case ${real##*/} in
        .git) kind=git ;;
        _darcs) kind=darcs ;;
        .hg) kind=hg ;;
        objects) if [ -f "$top/HEAD" ] && [ -d "$top/refs" ]; then kind=git; else continue; fi ;;
        *) if [ -f "$top/format" ] && [ -d "$top/hooks" ] && [ -d "$top/conf" ]; then kind=svn; else continue; fi ;;
    esac
    printf 'repository\t%s\t%s\n' "$kind" "${found%/*}"
done
printf 'end\n'
