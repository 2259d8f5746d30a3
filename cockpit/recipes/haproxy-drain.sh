# recipe: Drain one server of an HAProxy back end and wait until its last session has ended
# group: switch
# danger: low the server gets no new visitors; a reload of HAProxy forgets it
# undo: puts the server back into the state that it had
# param: socket HAProxy's runtime socket, of level admin
# param: backend the back end
# param: server its server that is drained
# param: then maint: take it out altogether once it is empty (optional)
# param: wait seconds to wait for the last session (default 120)
# param: check URL through a front end that is asked afterwards (optional)
# param: not_says text that its answers must not hold, since only this server says it (optional)
# needs: awk curl socat|nc|python3|perl
# shellcheck shell=sh disable=SC2154

from=$server

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
    case ${then:-maint} in maint) ;; *) refuse "what comes then is maint, or nothing" ;; esac
    case ${not_says-} in *"$line"*) refuse "the text that the answers do not hold is one line" ;; esac
    goal=${then:-drain}
}

probe() {
    fit
    ready "$from"
    [ "$(state "$from")" = "$goal" ] && [ "$(sessions "$from")" = 0 ]
}

capture() {
    fit
    ready "$from"
    echo "state=$(state "$from")"
}

apply() {
    fit
    ready "$from"
    [ "$(state "$from")" = "$goal" ] || put "$from" drain || return
    empty "$from" || return
    put "$from" "$goal" || return
    echo "$backend/$from is in $goal, without a session"
}

verify() {
    fit
    ready "$from"
    now=$(state "$from")
    left=$(sessions "$from")
    [ "$now" = "$goal" ] || {
        echo "$backend/$from is in $now"
        return 1
    }
    [ "$left" = 0 ] || {
        echo "$backend/$from has $left sessions"
        return 1
    }
    if [ -n "${check-}" ]; then
        for try in 1 2 3 4; do
            got=$(ask) || {
                echo "$check does not answer: $got"
                return 1
            }
            [ -z "${not_says-}" ] || ! printf '%s\n' "$got" | grep -qF -e "$not_says" || {
                echo "request $try of $check was answered by $backend/$from"
                return 1
            }
        done
        echo "$backend/$from is in $goal without a session, and others answer $check"
        return
    fi
    echo "$backend/$from is in $goal, without a session"
}

undo() {
    fit
    ready "$from"
    put "$from" "${captured_state:-ready}" && echo "$backend/$from is in ${captured_state:-ready} again"
}

verify_undo() {
    fit
    ready "$from"
    now=$(state "$from")
    echo "$backend/$from is in $now"
    [ "$now" = "${captured_state:-ready}" ]
}
