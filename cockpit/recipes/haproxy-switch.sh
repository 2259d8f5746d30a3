# recipe: Switch an HAProxy back end from one server to another one
# group: switch
# danger: high visitors are answered by the other server; a reload of HAProxy forgets it
# undo: puts both servers back into the states that they had
# param: socket HAProxy's runtime socket, of level admin
# param: backend the back end
# param: from the server that visitors leave
# param: to the server that they go to; it has to be up
# param: order close: never both at once, some requests are refused; open: none is, both answer for a moment (default open)
# param: wait seconds to wait until `to` is up, and for the last session of `from` (default 120)
# param: check URL through a front end that is asked afterwards (optional)
# param: says text that its answers hold, since only `to` says it (optional)
# needs: awk curl socat|nc|python3|perl
# shellcheck shell=sh disable=SC2154

LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

# One command over the runtime socket, and its answer, by whatever is here that can speak to a socket.
talk() {
    if command -v socat > /dev/null; then
        printf '%s\n' "$1" | socat -t 5 - "UNIX-CONNECT:$socket" 2> /dev/null
    elif nc -h 2>&1 | grep -q -e '-[A-Za-z]*U'; then
        printf '%s\n' "$1" | nc -w 5 -U "$socket" 2> /dev/null
    elif command -v python3 > /dev/null; then
        said=$1 python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect(os.environ["socket"])
s.sendall(os.environ["said"].encode() + b"\n")
while data := s.recv(65536):
    sys.stdout.buffer.write(data)' 2> /dev/null
    elif command -v perl > /dev/null; then
        said=$1 perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ENV{socket}) or exit 1; print $s "$ENV{said}\n"; print <$s>' 2> /dev/null
    else
        refuse "neither socat, nc -U, python3 nor perl is here to speak to HAProxy"
    fi
}

# The administrative state of a server: ready, drain or maint; nothing when there is no such server.
state() {
    talk "show servers state $backend" | state_in "$1"
}

state_in() {
    server=$1 awk '$2 == ENVIRON["backend"] && $4 == ENVIRON["server"] {
        print $7 % 2 ? "maint" : int($7 / 8) % 2 ? "drain" : "ready"
    }'
}

# Whether a server passes its health check, as often as it has to, or has none.
up() {
    talk "show stat" | server=$1 awk -F , '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
        $1 == ENVIRON["backend"] && $2 == ENVIRON["server"] {
            found = $column["check_status"] == "" ||
                $column["check_status"] ~ /OK/ && $column["check_health"] >= $column["check_rise"] + $column["check_fall"] - 1
        }
        END { exit !found }'
}

# What the statistics tell of a server, by the name of their column.
told() {
    talk "show stat" | server=$1 wanted=$2 awk -F , '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
        $1 == ENVIRON["backend"] && $2 == ENVIRON["server"] { print $column[ENVIRON["wanted"]] }'
}

sessions() {
    told "$1" scur
}

# Puts a server into a state.
put() {
    [ "$(state "$1")" = "$2" ] && return
    answer=$(talk "set server $backend/$1 state $2" | grep .)
    [ -z "$answer" ] || {
        echo "HAProxy does not put $backend/$1 into $2: $answer"
        return 1
    }
}

# Waits until a server has no session left.
empty() {
    left=$((${wait:-120} * 5))
    while [ "$(sessions "$1")" != 0 ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            echo "$backend/$1 still has $(sessions "$1") sessions after ${wait:-120} s"
            return 1
        }
        sleep 0.2
    done
}

ready() {
    case $socket in /*) ;; *) refuse "the runtime socket must be an absolute path" ;; esac
    case $socket in *[!A-Za-z0-9/._@+-]*) refuse "the path of the runtime socket holds what its readers could misread" ;; esac
    for word in "$backend" "$@"; do
        case $word in '' | *[!A-Za-z0-9_.:-]*) refuse "back end and servers must be names of HAProxy" ;; esac
    done
    case ${wait:-120} in *[!0-9]*) refuse "the seconds to wait must be a number" ;; esac
    case ${check:-http://x} in *"$line"*) refuse "the URL to ask is none" ;; http://?* | https://?*) ;; *) refuse "the URL to ask is none" ;; esac
    export socket backend
    [ -S "$socket" ] || refuse "$socket is no socket"
    states=$(talk "show servers state $backend")
    [ -n "$states" ] || refuse "HAProxy does not answer on $socket"
    for word in "$@"; do
        [ -n "$(printf '%s\n' "$states" | state_in "$word")" ] || refuse "the back end $backend has no server $word"
    done
}

ask() {
    curl -q -g -sS -k -m 10 --noproxy '*' "$check" 2>&1
}

fit() {
    case ${order:-open} in open | close) ;; *) refuse "the order is open or close" ;; esac
    case ${says-} in *"$line"*) refuse "the text that the answers hold is one line" ;; esac
    [ "$from" != "$to" ] || refuse "from and to are one server"
}

serves() {
    [ "$(state "$from")" = maint ] && [ "$(state "$to")" = ready ] && up "$to"
}

probe() {
    fit
    ready "$from" "$to"
    serves
}

capture() {
    fit
    ready "$from" "$to"
    echo "from=$(state "$from")"
    echo "to=$(state "$to")"
}

# In maintenance a server is not checked: it is drained first, which gives it no visitors, until its health is known.
apply() {
    fit
    ready "$from" "$to"
    if [ "$(state "$to")" = maint ]; then
        put "$to" drain || return
        # Where one failed check is enough, it counts as up until the first one, which comes at once.
        [ "$(told "$to" check_fall)" != 1 ] || sleep 1
    fi
    left=$((${wait:-120} * 5))
    until up "$to"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            [ "${captured_to:-maint}" = ready ] || put "$to" "${captured_to:-maint}"
            refuse "$backend/$to is not up after ${wait:-120} s"
        }
        sleep 0.2
    done
    if [ "${order:-open}" = open ]; then
        put "$to" ready || return
    fi
    if [ "$(state "$from")" = ready ]; then put "$from" drain || return; fi
    if ! { empty "$from" && put "$from" maint && put "$to" ready; }; then
        # With `close` neither takes visitors now.
        [ "${order:-open}" = close ] || return 1
        put "$from" "${captured_from:-ready}" && put "$to" "${captured_to:-maint}" || return 1
        echo "$from is in ${captured_from:-ready} again and $to in ${captured_to:-maint}: visitors are served as before"
        return 1
    fi
    echo "visitors of $backend go to $to; $from has none left"
}

verify() {
    fit
    ready "$from" "$to"
    serves || {
        echo "$backend/$from is in $(state "$from"), $backend/$to in $(state "$to"), and passes its checks: $(if up "$to"; then echo yes; else echo no; fi)"
        return 1
    }
    [ "$(sessions "$from")" = 0 ] || {
        echo "$backend/$from still has sessions"
        return 1
    }
    if [ -n "${check-}" ]; then
        for try in 1 2 3 4; do
            got=$(ask) || {
                echo "$check does not answer: $got"
                return 1
            }
            printf '%s\n' "$got" | grep -qF -e "${says-}" || {
                echo "request $try of $check was not answered by $backend/$to"
                return 1
            }
        done
        echo "$backend/$to alone serves, and answers $check"
        return
    fi
    echo "$backend/$to alone serves"
}

# With `close` the one that is taken out again goes first.
undo() {
    fit
    ready "$from" "$to"
    if [ "${order:-open}" = close ] && [ "${captured_to:-maint}" != ready ]; then
        put "$to" drain || return
        empty "$to" || return
        put "$to" "${captured_to:-maint}" || return
    fi
    put "$from" "${captured_from:-ready}" || return
    put "$to" "${captured_to:-maint}" || return
    echo "$backend/$from is in ${captured_from:-ready} again, $backend/$to in ${captured_to:-maint}"
}

verify_undo() {
    fit
    ready "$from" "$to"
    echo "$backend/$from is in $(state "$from"), $backend/$to in $(state "$to")"
    [ "$(state "$from")" = "${captured_from:-ready}" ] && [ "$(state "$to")" = "${captured_to:-maint}" ]
}
