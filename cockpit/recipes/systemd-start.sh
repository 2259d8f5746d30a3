# recipe: Start a systemd unit now and with the host
# group: services
# danger: high what the unit does begins here
# undo: stops and disables it, if it was so
# param: unit the unit, such as `nginx.service`
# param: boot `keep` leaves open whether it starts with the host; default is to enable it
# param: test shell text that checks its configuration before, such as `nginx -t` (optional)
# param: port a TCP port on which it must listen then (optional)
# param: within seconds to wait for that, default 30
# needs: systemctl ss
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

sane() {
    case $unit in
        -* | *[!A-Za-z0-9:_.\\@-]*) echo "this is no name of a unit"; return 1 ;;
        *.*) ;;
        *) echo "the unit is named with its kind, such as NAME.service"; return 1 ;;
    esac
    case ${port-} in
        *[!0-9]*) echo "this is no port"; return 1 ;;
    esac
    case $(property LoadState) in
        loaded) ;;
        "") echo "systemd does not answer"; return 1 ;;
        # Disabling a unit whose file is elsewhere removes the link that it was found by.
        not-found) [ -n "${captured_path-}" ] || { echo "there is no unit $unit"; return 1; } ;;
        *) echo "systemd does not take $unit: $(property LoadState), $(property LoadError)"; return 1 ;;
    esac
}

property() {
    systemctl show -p "$1" -- "$unit" 2> /dev/null | sed -n "s/^$1=//p"
}

gone() {
    [ "$(property LoadState)/$(property ActiveState)" = not-found/inactive ]
}

active() {
    case $(property ActiveState) in active | reloading | activating) ;; *) return 1 ;; esac
}

enabled() {
    # A link alone says where its file is, and what is enabled at run time is so until the host starts anew.
    [ "$(property UnitFileState)" = enabled ]
}

installable() {
    # What has no [Install] is started by others, and is neither enabled nor disabled.
    case $(property UnitFileState) in static | indirect | generated | transient | alias) return 1 ;; esac
}

ears() {
    # A port whose listeners cannot be seen is not one that nobody listens on.
    [ -z "${port-}" ] || ss -Hlnt "sport = :$port" > /dev/null || {
        echo "who listens on port $port cannot be told: ss ends with $?"
        return 1
    }
}

listener() {
    ss -Hlnt "sport = :$port"
}

probe() {
    sane && ears || return 2
    active && { [ "${boot-}" = keep ] || enabled || ! installable; }
}

capture() {
    sane && ears || return
    printf 'active=%s\n' "$(property ActiveState)"
    printf 'enabled=%s\n' "$(property UnitFileState)"
    printf 'path=%s\n' "$(readlink -f -- "$(property FragmentPath)")"
}

apply() {
    sane && ears || return
    case ${within:-30} in *[!0-9]*) echo "the seconds to wait are a whole number"; return 1 ;; esac
    if [ -n "${test-}" ]; then
        said=$(sh -ec "
$test" < /dev/null 2>&1) || {
            echo "the configuration is refused, $unit is not started: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    systemctl start -- "$unit" || {
        echo "$unit does not start: $(property Result), status $(property ExecMainStatus)"
        return 1
    }
    if [ "${boot-}" != keep ] && ! enabled && installable; then systemctl --quiet enable -- "$unit" || return; fi
    echo "$unit is started"
}

verify() {
    sane && ears || return 2
    tries=0
    while [ "$(property ActiveState)" = activating ] || { [ -n "${port-}" ] && active && [ -z "$(listener)" ]; }; do
        tries=$((tries + 1))
        [ "$tries" -le $((${within:-30} * 5)) ] || break
        sleep 0.2
    done
    if [ "$(property ActiveState)" != active ]; then
        echo "$unit is $(property ActiveState): $(property Result)"
        return 1
    fi
    if [ -n "${port-}" ]; then
        # Whoever listens there must be of this unit.
        pids=$(ss -Hlntp "sport = :$port" | grep -o 'pid=[0-9]*' | sed 's/pid=//' | sort -u)
        own=
        for pid in $pids; do
            if grep -qF -e "/$unit" "/proc/$pid/cgroup" 2> /dev/null; then own=$pid; fi
        done
        if [ -z "$own" ]; then
            echo "$unit runs, but does not listen on port $port${pids:+: another process does}"
            return 1
        fi
    fi
    if [ "${boot-}" != keep ] && ! enabled && installable; then
        echo "$unit runs, but does not start with the host"
        return 1
    fi
    echo "$unit runs${port:+ and listens on port $port}"
}

unlinked() {
    # What our `enable` made is removed, and with it the link to a file that is elsewhere.
    case ${captured_enabled-} in
        disabled | linked | linked-runtime | enabled-runtime) gone || systemctl --quiet disable -- "$unit" || return ;;
    esac
    case ${captured_enabled-} in
        linked) systemctl --quiet link -- "$captured_path" || return ;;
        linked-runtime) systemctl --quiet --runtime link -- "$captured_path" || return ;;
        enabled-runtime) systemctl --quiet --runtime enable -- "$captured_path" || return ;;
    esac
}

undo() {
    sane || return
    case ${captured_active-} in
        active | reloading | activating) ;;
        *)
            gone || systemctl stop -- "$unit" || return
            systemctl --quiet reset-failed -- "$unit" 2> /dev/null
            ;;
    esac
    unlinked || return
    echo "$unit is ${captured_active:-inactive} and ${captured_enabled:-disabled}, as before"
}

verify_undo() {
    sane || return 2
    case ${captured_active-} in
        active | reloading | activating) ;;
        *)
            if active; then
                echo "$unit still runs"
                return 1
            fi
            ;;
    esac
    if [ "$(property UnitFileState)" != "${captured_enabled-}" ]; then
        echo "$unit is $(property UnitFileState), before ${captured_enabled-}"
        return 1
    fi
    echo "$unit is as before"
}
