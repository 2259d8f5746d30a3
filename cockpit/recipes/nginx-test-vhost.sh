# recipe: Serve a site under an alternate host name, for its owner to try before anything is switched
# group: web
# danger: low the site can be reached under one more name
# undo: removes the file and reloads
# param: file the file to make, in a folder that nginx includes, sorted behind the others: /etc/nginx/conf.d/zz-NAME.conf
# param: name the alternate host name
# param: root the folder that is served (optional; this or upstream)
# param: upstream address:port of the server that answers (optional; this or root)
# param: host the name that upstream is asked under (default the alternate name)
# param: listen what it listens on, as in `listen` (default 80)
# param: says text that the answer to the check holds (optional)
# param: check URL that is asked (default http://NAME/)
# param: at IPv4 address of this host to ask it at (default 127.0.0.1)
# param: conf nginx's main configuration (default the one it is built with)
# needs: awk cksum cmp curl flock nginx pgrep
# shellcheck shell=sh disable=SC2154

mark="# cockpit nginx-test-vhost $name"

# Another virtual host of ours that is the server's first is asked for unknown names: each answers to a code of its own.
code=$(printf %s "$name" | cksum | tr -d ' ')

content() {
    cat << END
$mark
server {
    listen ${listen:-80};
    server_name $name;
    add_header X-Cockpit-Vhost \$http_x_cockpit_ask_$code always;
END
    if [ -n "${root-}" ]; then
        printf '    root "%s";\n' "$root"
    else
        cat << END
    location / {
        proxy_pass http://$upstream;
        proxy_http_version 1.1;
        proxy_set_header Host ${host:-$name};
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto \$scheme;
        add_header X-Cockpit-Vhost \$http_x_cockpit_ask_$code always;
    }
END
    fi
    echo "}"
}

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
signal=HUP
LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

# What the daemon itself says of its configuration; status 0 when it is broken.
broken() {
    ! nginx ${conf:+-c "$conf"} -t -q > /dev/null 2>&1 || return
    nginx ${conf:+-c "$conf"} -t 2>&1 | grep -m 1 -F '[emerg]'
    return 0
}

# The master's pid; status 1 when it does not run.
master() {
    path=$(nginx ${conf:+-c "$conf"} -T 2> /dev/null | tr ';' '\n' | awk '$1 == "pid" { print $2; exit }')
    [ -n "$path" ] || path=$(nginx -V 2>&1 | tr ' ' '\n' | sed -n 's/^--pid-path=//p')
    read -r pid 2> /dev/null < "$path" && grep -q '^nginx' "/proc/$pid/comm" 2> /dev/null && echo "$pid"
}

# The file whose lock says who changes $1 on this host. Nobody else can open it, and so keep the lock: it is in a folder of root's,
# or in the home of who is not root.
latch() {
    latch=/run
    [ -d "$latch" ] || latch=/var/run
    [ "$(id -u)" = 0 ] || latch=$HOME
    latch=$latch/.cockpit-$1.lock
    (umask 077 && : >> "$latch")
}

# Runs a function as the only one on this host that changes a web server of this kind: of two that edit one file, or have it
# read again at the same time, one would be lost. The kernel takes the lock back from who dies.
alone() {
    command -v flock > /dev/null || refuse "there is no flock here"
    latch "$program" || refuse "the lock of who changes the web server cannot be made"
    (
        left=600
        until flock -n 9; do
            left=$((left - 1))
            [ "$left" -gt 0 ] || refuse "another step has been changing the web server for two minutes"
            sleep 0.2
        done
        "$@" 9<&-
    ) 9>> "$latch"
}

# Whether the daemon has begun with a process that was not there before.
fresh() {
    pgrep -P "$pid" | grep -qvxF -e "$before"
}

# Has the configuration read again, without a lost request, and waits until that is done and no process of before takes new ones:
# it is gone, or says that it is about to go. What it has begun it still ends.
reload() {
    pid=$(master) || return
    before=$(pgrep -P "$pid")
    kill -s "$signal" "$pid" || return
    left=100
    until [ "$left" -le 0 ] || fresh; do
        left=$((left - 1))
        sleep 0.05
    done
    for child in $before; do
        while [ "$left" -gt 0 ] && kill -0 "$child" 2> /dev/null && ! grep -q 'shutting down' "/proc/$child/cmdline" 2> /dev/null; do
            left=$((left - 1))
            sleep 0.05
        done
    done
}

# Asks this host for a URL under its real name, whatever the name resolves to.
ask() {
    curl -q -g -sS -k -m 10 --noproxy '*' --connect-to "::${at:-127.0.0.1}:" "$@"
}

# Asks until the answer is yes, for so many tries.
await() {
    left=$1
    shift
    while :; do
        said=$("$@" 2>&1)
        status=$?
        left=$((left - 1))
        if [ "$status" = 0 ] || [ "$left" -le 0 ]; then
            echo "$said"
            return "$status"
        fi
        sleep 0.1
    done
}

# Asks whether it was heard, and says it once more if not: a signal that comes while the daemon reads its configuration for
# somebody else, such as the rotation of logs, is lost.
insist() {
    await 3 "$1" || { reload && await 10 "$1"; }
}

ready() {
    case $file$name${root-}${upstream-}${host-}${listen-}${says-}${check-}${at-}${conf-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $file in /*[!/]) ;; *) refuse "the file to make must be an absolute path" ;; esac
    case ${conf:-/} in /*) ;; *) refuse "nginx's configuration must be an absolute path" ;; esac
    case $name in '' | -* | *[!A-Za-z0-9._-]*) refuse "the name is no host name" ;; esac
    case ${host:-x} in -* | *[!A-Za-z0-9._:-]*) refuse "the name to ask upstream under is no host name" ;; esac
    case ${listen:-80} in -* | *[!A-Za-z0-9.:[\]-]*) refuse "what to listen on is no address or port" ;; esac
    case ${at:-127.0.0.1} in -* | *[!0-9.]*) refuse "the address to ask at is no IPv4 address" ;; esac
    case ${root:+1}${upstream:+1} in 1) ;; *) refuse "either root or upstream has to be given" ;; esac
    case ${root:-/x} in / | [!/]*) refuse "root must be an absolute path" ;; esac
    case ${root-} in *[\\\"\$%*?[\]]*) refuse "root holds what the configuration would read as something else" ;; esac
    [ -z "${root-}" ] || [ -d "$root" ] || refuse "$root is no folder"
    case ${upstream:-x:1} in -* | *[!A-Za-z0-9._:[\]-]*) refuse "upstream is no address:port" ;; *:*) ;; *) refuse "upstream lacks the port" ;; esac
    url=${check:-http://$name/}
    case $url in http://?* | https://?*) ;; *) refuse "the URL to ask is none" ;; esac
    program=nginx
    command -v nginx > /dev/null || refuse "there is no nginx here"
    [ -d "${file%/*}/" ] || refuse "there is no folder for $file"
    new=${file%/*}/.${file##*/}.cockpit-new
    kept=${file%/*}/.${file##*/}.cockpit-was
}

ours() {
    [ -f "$file" ] && [ "$(sed -n 1p "$file")" = "$mark" ]
}

there() {
    [ -f "$file" ] && content | cmp -s - "$file"
}

# A request that asks for it is told that this virtual host has answered it.
seen() {
    got=$(ask -i -H "X-Cockpit-Ask-$code: vhost" "$url") || {
        echo "nothing answers for $name here: $got"
        return 2
    }
    first=$(printf '%s\n' "$got" | tr -d '\r' | sed -n 1p)
    printf '%s\n' "$got" | tr -d '\r' | grep -qix 'x-cockpit-vhost: vhost' || {
        echo "$name is answered by another virtual host: $first"
        return 1
    }
    if [ -n "${says-}" ]; then
        printf '%s\n' "$got" | grep -qF -e "$says" || {
            echo "$name does not say here what it should: $first"
            return 1
        }
    else
        case $first in
            HTTP/*\ [45]??*)
                echo "$name answers here with an error: $first"
                return 1
                ;;
        esac
    fi
    echo "$name answers here: $first$(first)"
}

# Says so when it is what those see who ask for a name that this server does not know.
first() {
    ! ask -o /dev/null -D - -H "X-Cockpit-Ask-$code: vhost" -H 'Host: cockpit-nobody.invalid' "$url" | tr -d '\r' | grep -qix 'x-cockpit-vhost: vhost' ||
        echo "; so do unknown names, as $file is the first"
}

unseen() {
    got=$(ask -i -H "X-Cockpit-Ask-$code: vhost" "$url") || {
        echo "nothing answers for $name here"
        return 0
    }
    printf '%s\n' "$got" | tr -d '\r' | grep -qix 'x-cockpit-vhost: vhost' || {
        echo "$name is not served here any more"
        return 0
    }
    echo "$name is still served here"
    return 1
}

probe() {
    ready
    there && await 2 seen > /dev/null
}

capture() {
    ready
    [ ! -e "$file" ] || there || refuse "$file is there already"
    echo "made=1"
}

apply() {
    ready
    alone add
}

# Whether the configuration is whole without our file, which then lies beside it. Else it is in its place.
whole_without() {
    mv "$file" "$kept" || return
    broken > /dev/null || return 0
    mv "$kept" "$file"
    return 1
}

add() {
    # An apply that was cut off between two of its moves has left what was there under the other name.
    if [ -e "$file" ]; then rm -f "$kept"; elif [ -e "$kept" ]; then mv "$kept" "$file"; fi
    breaks=''
    if why=$(broken); then
        # What is broken elsewhere takes nothing of ours away.
        if ! ours || ! whole_without; then refuse "the configuration is broken already: $why"; fi
        breaks="; what was in it had broken the configuration"
    fi
    if ! master > /dev/null; then
        [ ! -e "$kept" ] || mv "$kept" "$file"
        refuse "the web server is not running"
    fi
    if ! there; then
        [ ! -e "$file" ] || ours || refuse "$file is there already"
        if [ -e "$file" ] && ! cp -p "$file" "$kept"; then refuse "$file cannot be copied"; fi
        if ! content > "$new" || ! mv "$new" "$file"; then
            rm -f "$new"
            [ ! -e "$kept" ] || mv "$kept" "$file"
            refuse "$file cannot be written"
        fi
        if why=$(broken); then
            if [ -n "$breaks" ]; then
                rm -f "$file" "$kept"
                echo "the virtual host is refused: $why; $file is removed$breaks" >&2
                exit 2
            fi
            if [ -e "$kept" ]; then mv "$kept" "$file"; else rm -f "$file"; fi
            refuse "the virtual host is refused: $why"
        fi
    fi
    rm -f "$kept"
    reload || return
    insist seen
    echo "$file is there, and the web server was told to read it"
}

verify() {
    ready
    await 10 seen
}

undo() {
    ready
    alone remove
}

remove() {
    rm -f "$new" "$kept"
    ! ours || rm -f "$file" || return
    if why=$(broken); then
        echo "$file is gone, but the configuration is broken: $why"
        return 1
    fi
    if ! master > /dev/null; then
        echo "$file is gone; the web server is not running"
        return
    fi
    reload || return
    insist unseen
    echo "$file is gone, and the web server was told so"
}

verify_undo() {
    ready
    if ours; then
        echo "$file is still there"
        return 1
    fi
    await 10 unseen
}
