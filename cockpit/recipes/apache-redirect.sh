# recipe: Redirect every request of one Apache site to another base URL, with its path and query
# group: web
# danger: low visitors are sent to the other URL
# undo: takes our lines out of the site's file again and reloads
# param: site the file that holds the site's virtual hosts
# param: name the site's name, as in its ServerName or ServerAlias
# param: to the base URL to send visitors to; the path asked for is put behind it
# param: code 302 or 307, which keeps the method (default 302)
# param: check URL that is asked (default http://NAME/)
# param: at IPv4 address of this host to ask it at (default 127.0.0.1)
# param: conf Apache's main configuration (default the one it is built with)
# needs: apache2 awk cksum curl flock pgrep
# shellcheck shell=sh disable=SC2154

mark="apache-redirect $name"

above() {
    loads rewrite
}

# The path is handed on as it came, not decoded and coded again; the query follows by itself.
inside() {
    cat << END
AllowEncodedSlashes NoDecode
RewriteEngine On
RewriteCond %{THE_REQUEST} "^\S+\s+(?:[A-Za-z]+://[^/\s]+)?(/[^\s?]*)"
RewriteRule ^ "${to%/}%1" [R=${code:-302},NE,L]
END
}

fit() {
    case $to in http://?* | https://?*) ;; *) refuse "where to redirect to is no URL" ;; esac
    case $to in *[!A-Za-z0-9:/._~@[\]-]*) refuse "the base URL holds what a configuration could misread" ;; esac
    case ${code:-302} in 302 | 307) ;; *) refuse "a redirect that browsers keep for ever is no bridge: 302 or 307" ;; esac
}

# The path of the URL that is asked.
path() {
    rest=${url#*://}
    case $rest in */*) echo "/${rest#*/}" ;; *) echo / ;; esac
}

seen() {
    got=$(ask -o /dev/null -w '%{http_code} %{redirect_url}' "$url") || {
        echo "$name does not answer here"
        return 2
    }
    [ "$got" = "${code:-302} ${to%/}$(path)" ] || {
        echo "$name does not redirect to $to here: $got"
        return 1
    }
    echo "$name redirects here: $got"
}

unseen() {
    got=$(ask -o /dev/null -w '%{http_code} %{redirect_url}' "$url") || {
        echo "$name does not answer here"
        return 2
    }
    [ "$got" != "${code:-302} ${to%/}$(path)" ] || {
        echo "$name still redirects here: $got"
        return 1
    }
    echo "this host answers for $name itself: $got"
}

# --- shared by the Apache recipes that change a site ---

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
signal=USR1
LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

# The program itself, in the environment that its packages start it in; their apache2ctl makes folders whatever it is asked.
apache() {
    (
        if [ "$program" = apache2 ]; then
            APACHE_CONFDIR=/etc/apache2
            [ -z "${conf-}" ] || [ ! -f "${conf%/*}/envvars" ] || APACHE_CONFDIR=${conf%/*}
            export APACHE_CONFDIR
            # shellcheck disable=SC1091
            [ ! -f "$APACHE_CONFDIR/envvars" ] || . "$APACHE_CONFDIR/envvars"
        fi
        exec "$program" ${conf:+-f "$conf"} "$@"
    )
}

# What the daemon itself says of its configuration; status 0 when it is broken.
broken() {
    ! apache -t > /dev/null 2>&1 || return
    apache -t 2>&1 | grep -v -e 'Could not reliably determine' -e 'Warning:' -e ':warn]' | head -n 2 | paste -s -d ' ' -
    return 0
}

# The parent's pid; status 1 when it does not run.
master() {
    path=$(apache -t -D DUMP_RUN_CFG 2> /dev/null | sed -n 's/^PidFile: "\(.*\)"$/\1/p')
    read -r pid 2> /dev/null < "$path" && grep -q '^\(apache\|httpd\)' "/proc/$pid/comm" 2> /dev/null && echo "$pid"
}

# Sets file, temporary names, what is asked and our marks; refuses what cannot be right.
ready() {
    case $site$name${check-}${at-}${conf-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $site in /*) ;; *) refuse "the site's file must be an absolute path" ;; esac
    case ${conf:-/} in /*) ;; *) refuse "Apache's configuration must be an absolute path" ;; esac
    case $name in '' | -* | *[!A-Za-z0-9._-]*) refuse "the name is no host name" ;; esac
    case ${at:-127.0.0.1} in -* | *[!0-9.]*) refuse "the address to ask at is no IPv4 address" ;; esac
    url=${check:-http://$name/}
    case $url in http://?* | https://?*) ;; *) refuse "the URL to ask is none" ;; esac
    program=apache2
    command -v apache2 > /dev/null || program=httpd
    command -v "$program" > /dev/null || refuse "there is no Apache here"
    [ -f "$site" ] || refuse "$site is no file"
    file=$(readlink -f "$site")
    # A folder that is included as a whole leaves out names that begin with a dot.
    new=${file%/*}/.${file##*/}.cockpit-new
    kept=${file%/*}/.${file##*/}.cockpit-was
    fit
    begin="# cockpit $mark: begin"
    end="# cockpit $mark: end"
}

# Lines that load modules which the configuration does not load by itself.
loads() {
    for folder in /usr/lib/apache2/modules /usr/lib64/httpd/modules /usr/lib/httpd/modules /usr/local/apache2/modules; do
        for module in "$@"; do
            [ ! -f "$folder/mod_$module.so" ] || printf '<IfModule !%s_module>\n    LoadModule %s_module %s\n</IfModule>\n' \
                "$module" "$module" "$folder/mod_$module.so"
        done
    done
}

# Prints the file, or $2, without our lines, and with `put` with them: `above` before the first virtual host of the name, `inside` at
# the beginning of each. Status 3 when there is no such host, 4 when our last line is gone.
edited() {
    above='' inside=''
    [ "$1" != put ] || above=$(above) inside=$(inside) || return
    { cat "${2:-$file}" && echo x; } | begin=$begin end=$end above=$above inside=$inside name=$name awk '
        function lines(text) { return ENVIRON["begin"] "\n" text "\n" ENVIRON["end"] "\n" }
        BEGIN { name = tolower(ENVIRON["name"]) }
        $0 == ENVIRON["begin"] { skip = 1; next }
        skip { if ($0 == ENVIRON["end"]) skip = 0; next }
        {
            L[++n] = $0
            text = text $0
            if (sub(/\\$/, " ", text)) next
            words = split(tolower(text), W, /[ \t\r"\047]+/)
            text = ""
            k = W[1] == "" ? 2 : 1
            if (W[k] == "<virtualhost") host = n
            else if (W[k] == "</virtualhost>") host = 0
            else if (host && (W[k] == "servername" || W[k] == "serveralias"))
                for (k++; k <= words; k++) {
                    sub(/^https?:\/\//, "", W[k])
                    sub(/:[0-9]+$/, "", W[k])
                    if (W[k] == name && !hit[host]++) found++
                }
        }
        END {
            if (skip) exit 4
            if (ENVIRON["inside"] != "" && !found) exit 3
            sub(/x$/, "", L[n])
            ORS = ""
            for (i = 1; i <= n; i++) {
                if (ENVIRON["inside"] != "" && hit[i] && !headed++) print lines(ENVIRON["above"])
                print L[i] (i < n ? "\n" : "")
                if (ENVIRON["inside"] != "" && hit[i]) print lines(ENVIRON["inside"])
            }
        }'
}

# --- shared by the web recipes that change a site ---

# Our lines in what comes in.
ours() {
    begin=$begin end=$end awk '$0 == ENVIRON["begin"] { on = 1 } on; $0 == ENVIRON["end"] { on = 0 }'
}

# Whether the file holds our lines as they have to be, wherever others have put theirs.
there() {
    wanted=$(edited put 2> /dev/null | ours)
    [ -n "$wanted" ] && [ "$wanted" = "$(ours < "$file")" ]
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

# Puts the edited file in place: with our lines, or without. Owner and mode stay.
write() {
    cp -p "$file" "$new" || return
    edited "$1" > "$new" || {
        status=$?
        rm -f "$new"
        return "$status"
    }
    mv "$new" "$file"
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

# Asks whether it was heard, and says it once more if not: a signal that comes while the daemon reads its configuration for
# somebody else, such as the rotation of logs, is lost.
insist() {
    await 3 "$1" || { reload && await 10 "$1"; }
}

probe() {
    ready
    there && await 2 seen > /dev/null
}

capture() {
    ready
    there || ! grep -qxF -e "$begin" "$file" || refuse "$file holds other lines of ours already: undo those first"
    echo "sum=$(cksum < "$file")"
}

apply() {
    ready
    alone add
}

# Whether the file is what an apply that was cut off has left: our lines alone make it another one than what was kept.
cut_off() {
    [ -e "$kept" ] && grep -qxF -e "$begin" "$file" || return
    bare=$(edited bare "$file" && echo x) && [ "$bare" = "$(edited bare "$kept" && echo x)" ]
}

add() {
    if why=$(broken); then
        # What an apply that was cut off has broken is taken back.
        ! cut_off || mv "$kept" "$file"
        refuse "the configuration is broken already: $why"
    fi
    master > /dev/null || refuse "the web server is not running"
    if ! there; then
        cp -p "$file" "$kept" || refuse "$file cannot be copied"
        write put || {
            status=$?
            rm -f "$kept"
            [ "$status" != 3 ] || refuse "nothing in $file serves $name"
            [ "$status" != 4 ] || refuse "the end of our lines in $file is gone"
            refuse "$file cannot be written"
        }
        if why=$(broken); then
            mv "$kept" "$file"
            refuse "the changed configuration is refused: $why"
        fi
    fi
    # With the configuration whole, what was before is not needed, and must not come back over what others write.
    rm -f "$kept"
    reload || return
    insist seen
    echo "$file has it, and the web server was told to read it again"
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
    if grep -qxF -e "$begin" "$file"; then
        write bare || {
            echo "our lines cannot be taken out of $file: mend it by hand"
            return 1
        }
    fi
    rm -f "$new" "$kept"
    if why=$(broken); then
        echo "our lines are out of $file, but the configuration is broken: $why"
        return 1
    fi
    if ! master > /dev/null; then
        echo "our lines are out of $file; the web server is not running"
        return
    fi
    reload || return
    insist unseen
    echo "our lines are out of $file, and the web server was told to read it again"
}

verify_undo() {
    ready
    if grep -qxF -e "$begin" "$file"; then
        echo "$file still holds our lines"
        return 1
    fi
    await 10 unseen || return
    [ "$(cksum < "$file")" = "${captured_sum-}" ] || echo "somebody else has changed $file since"
}

# --- end of what is shared ---
