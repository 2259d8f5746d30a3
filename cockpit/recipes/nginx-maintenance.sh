# recipe: Put up a maintenance page for one nginx site: 503 with Retry-After for everybody but the operator
# group: web
# danger: high visitors see the page
# undo: takes our lines out of the site's file again and reloads
# param: site the file that holds the site's server blocks
# param: name the site's name, as in its server_name
# param: page what visitors read, text or HTML
# param: allow addresses and networks that are let through, separated by spaces (optional)
# param: retry seconds for Retry-After (default 300)
# param: check URL that is asked (default http://NAME/)
# param: at IPv4 address of this host to ask it at (default 127.0.0.1)
# param: conf nginx's main configuration (default the one it is built with)
# needs: awk cksum curl flock nginx pgrep
# shellcheck shell=sh disable=SC2154

mark="nginx-maintenance $name"

# A page is a text of geo, where no variable is looked for, in pieces that nginx's lines can hold.
above() {
    id=$(printf '%s' "$name" | cksum | cut -d ' ' -f 1)
    if [ -n "${allow-}" ]; then
        echo "geo \$cockpit_stranger_$id {"
        echo "    default 1;"
        printf '%s\n' "$allow 127.9.9.9" | tr ' ' '\n' | sed -n 's/..*/    & "";/p'
        echo "}"
    fi
    page=$page id=$id awk 'BEGIN {
        text = ENVIRON["page"]
        while (text != "") {
            piece = ""
            for (i = 1; i <= 1500 && i <= length(text); i++) {
                c = substr(text, i, 1)
                piece = piece (c == "\n" ? "\\n" : c == "\r" ? "\\r" : c == "\"" || c == "\\" ? "\\" c : c)
            }
            text = substr(text, i)
            print "geo $cockpit_page_" ENVIRON["id"] "_" ++n " {"
            print "    default \"" piece "\";"
            print "}"
        }
    }'
}

inside() {
    id=$(printf '%s' "$name" | cksum | cut -d ' ' -f 1)
    pieces=$(above | grep -c "^geo .cockpit_page_")
    text=''
    n=1
    while [ "$n" -le "$pieces" ]; do
        text="$text\${cockpit_page_${id}_$n}"
        n=$((n + 1))
    done
    if [ -n "${allow-}" ]; then
        echo "if (\$cockpit_stranger_$id) {"
        echo "    rewrite ^ /.cockpit-maintenance-$id last;"
        echo "}"
    else
        echo "rewrite ^ /.cockpit-maintenance-$id last;"
    fi
    cat << END
location = /.cockpit-maintenance-$id {
    internal;
    types { }
    default_type "text/html; charset=utf-8";
    add_header Retry-After ${retry:-300} always;
    add_header Cache-Control no-store always;
    return 503 "$text";
}
END
}

# The same rule that lets the operator through lets 127.9.9.9 through, so that it can be tried from here.
fit() {
    case ${retry:-300} in *[!0-9]*) refuse "Retry-After must be a number of seconds" ;; esac
    case ${allow-} in *[!0-9A-Fa-f.:/\ ]*) refuse "the addresses to let through are not all addresses" ;; esac
    [ -n "$page" ] || refuse "the page is empty"
}

seen() {
    got=$(ask -i --interface 127.9.9.8 "$url") || {
        echo "$name does not answer here: $got"
        return 2
    }
    case $got in
        HTTP/*\ 503*"$(printf '%s' "$page")"*) ;;
        *)
            echo "$name does not show the page here: $(printf '%s' "$got" | sed -n 1p | tr -d '\r')"
            return 1
            ;;
    esac
    printf '%s\n' "$got" | grep -qi "^retry-after: ${retry:-300}" || {
        echo "the page of $name comes without Retry-After: ${retry:-300}"
        return 1
    }
    [ -n "${allow-}" ] || {
        echo "$name shows the page to everybody"
        return
    }
    code=$(ask -o /dev/null -w '%{http_code}' --interface 127.9.9.9 "$url") || return 2
    [ "$code" != 503 ] || {
        echo "$name shows the page to the operator, too"
        return 1
    }
    echo "$name shows the page to strangers, and answers $code to the operator"
}

unseen() {
    got=$(ask -i --interface 127.9.9.8 "$url") || {
        echo "$name does not answer here: $got"
        return 2
    }
    case $got in
        HTTP/*\ 503*"$(printf '%s' "$page")"*)
            echo "$name still shows the page here"
            return 1
            ;;
        *) echo "$name shows the page no more: $(printf '%s' "$got" | sed -n 1p | tr -d '\r')" ;;
    esac
}

# --- shared by the nginx recipes that change a site ---

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

# Sets file, temporary names, what is asked and our marks; refuses what cannot be right.
ready() {
    case $site$name${check-}${at-}${conf-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $site in /*) ;; *) refuse "the site's file must be an absolute path" ;; esac
    case ${conf:-/} in /*) ;; *) refuse "nginx's configuration must be an absolute path" ;; esac
    case $name in '' | -* | *[!A-Za-z0-9._-]*) refuse "the name is no host name" ;; esac
    case ${at:-127.0.0.1} in -* | *[!0-9.]*) refuse "the address to ask at is no IPv4 address" ;; esac
    url=${check:-http://$name/}
    case $url in http://?* | https://?*) ;; *) refuse "the URL to ask is none" ;; esac
    program=nginx
    command -v nginx > /dev/null || refuse "there is no nginx here"
    [ -f "$site" ] || refuse "$site is no file"
    file=$(readlink -f "$site")
    # A folder that is included as a whole leaves out names that begin with a dot.
    new=${file%/*}/.${file##*/}.cockpit-new
    kept=${file%/*}/.${file##*/}.cockpit-was
    fit
    begin="# cockpit $mark: begin"
    end="# cockpit $mark: end"
}

# Prints the file, or $2, without our lines, and with `put` with them: `above` before the first server block of the name, `inside`
# at the beginning of each. Status 3 when there is no such block, 4 when our last line is gone.
edited() {
    above='' inside=''
    [ "$1" != put ] || above=$(above) inside=$(inside) || return
    { cat "${2:-$file}" && echo x; } | begin=$begin end=$end above=$above inside=$inside name=$name awk '
        function lines(text) { return "\n" ENVIRON["begin"] "\n" text "\n" ENVIRON["end"] "\n" }
        function find(    i, j, m, c, quote, open, word, depth, k) {
            for (i = 1; i <= n; i++) {
                m = length(L[i])
                for (j = 1; j <= m + 1; j++) {
                    c = j > m ? "\n" : substr(L[i], j, 1)
                    if (quote != "") {
                        if (c == "\\") { word = word c substr(L[i], ++j, 1); continue }
                        if (c != quote) { word = word c; continue }
                        quote = ""; W[++words] = word; continue
                    }
                    if (open) {
                        if (c == "\\") { word = word c substr(L[i], ++j, 1); continue }
                        if (c == "$" && substr(L[i], j + 1, 1) == "{") { word = word "${"; j++; continue }
                        if (!index(" \t\r\n;{", c)) { word = word c; continue }
                        W[++words] = word; open = 0
                    }
                    if (index(" \t\r\n", c)) continue
                    if (c == "#") break
                    if (words == 0 && !index(";{}", c)) { wl = i; wc = j }
                    if (c == "\"" || c == "\047") { quote = c; word = ""; continue }
                    if (c == ";") {
                        if (W[1] == "server_name" && kind[depth] == "server")
                            for (k = 2; k <= words; k++) if (tolower(W[k]) == name) hit[at[depth]] = 1
                        words = 0; continue
                    }
                    if (c == "{") {
                        depth++
                        kind[depth] = words && W[1] == "server" && kind[depth - 1] !~ /^(stream|mail)$/ ? "server" : W[1]
                        if (kind[depth] == "server") { at[depth] = ++ids; sl[ids] = wl; sc[ids] = wc; bl[ids] = i; bc[ids] = j }
                        words = 0; continue
                    }
                    if (c == "}") { depth--; words = 0; continue }
                    open = 1; word = c
                }
            }
        }
        BEGIN { name = tolower(ENVIRON["name"]) }
        $0 == ENVIRON["begin"] { skip = 1; next }
        skip { if ($0 == ENVIRON["end"]) { skip = 0; glue = n > 0 }; next }
        glue { L[n] = L[n] $0; glue = 0; next }
        { L[++n] = $0 }
        END {
            if (skip) exit 4
            if (ENVIRON["inside"] != "") {
                find()
                for (k = 1; k <= ids; k++) found += hit[k]
                if (!found) exit 3
            }
            sub(/x$/, "", L[n])
            ORS = ""
            for (i = 1; i <= n; i++) {
                from = 1
                for (k = 1; k <= ids; k++) {
                    if (!hit[k]) continue
                    if (!headed && sl[k] == i) {
                        headed = 1
                        if (ENVIRON["above"] != "") { print substr(L[i], from, sc[k] - from) lines(ENVIRON["above"]); from = sc[k] }
                    }
                    if (bl[k] == i) { print substr(L[i], from, bc[k] - from + 1) lines(ENVIRON["inside"]); from = bc[k] + 1 }
                }
                print substr(L[i], from) (i < n ? "\n" : "")
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
