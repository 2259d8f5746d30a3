# recipe: Test the configuration of Apache and have it read again, without a lost request
# group: web
# danger: low what somebody has changed in the configuration comes into force
# undo: nothing to take back: the configuration is not ours
# param: check URL that is asked afterwards (optional)
# param: at IPv4 address of this host to ask it at (default 127.0.0.1)
# param: conf Apache's main configuration (default the one it is built with)
# needs: curl flock apache2 pgrep
# shellcheck shell=sh disable=SC2154

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

ready() {
    case ${check-}${at-}${conf-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case ${conf:-/} in /*) ;; *) refuse "Apache's configuration must be an absolute path" ;; esac
    case ${at:-127.0.0.1} in -* | *[!0-9.]*) refuse "the address to ask at is no IPv4 address" ;; esac
    case ${check:-http://x} in http://?* | https://?*) ;; *) refuse "the URL to ask is none" ;; esac
    program=apache2
    command -v apache2 > /dev/null || program=httpd
    command -v "$program" > /dev/null || refuse "there is no Apache here"
}

probe() {
    # What is in the files may be newer than what is in force: it is always done anew.
    return 1
}

capture() {
    ready
    printf 'workers=%s\n' "$(pgrep -P "$(master)" 2> /dev/null | tr '\n' ' ')"
}

apply() {
    ready
    ! why=$(broken) || refuse "the configuration is broken: $why"
    master > /dev/null || refuse "the web server is not running"
    alone reload && echo "the configuration is good, and was read again"
}

verify() {
    ready
    if why=$(broken); then
        echo "the configuration is broken: $why"
        return 1
    fi
    pid=$(master) || {
        echo "the web server is not running"
        return 1
    }
    fresh=''
    for child in $(pgrep -P "$pid"); do
        case " ${captured_workers-} " in *" $child "*) ;; *) fresh=$child ;; esac
    done
    [ -n "$fresh" ] || {
        echo "no process of the web server is newer than the reload: it did not take the configuration"
        return 1
    }
    [ -n "${check-}" ] || {
        echo "process $fresh serves with the new configuration"
        return
    }
    code=$(ask -o /dev/null -w '%{http_code}' "$check") || {
        echo "$check does not answer here"
        return 1
    }
    [ "$code" -lt 500 ] || {
        echo "$check answers $code here"
        return 1
    }
    echo "process $fresh serves with the new configuration; $check answers $code"
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
