# recipe: Stop a systemd unit and keep it from starting again with the host
# group: services
# danger: high what the unit serves is down
# undo: enables and starts it again, if it was; unmasks what had to be masked
# param: unit the unit, such as `nginx.service`
# param: boot `keep` leaves it enabled; default is to disable it, or to mask what a generator enables
# param: port a TCP port that must be closed then (optional)
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
    case ${boot:-keep} in
        keep) ;;
        *) echo "boot is keep, or is left out"; return 1 ;;
    esac
    case $(property LoadState) in
        loaded | masked) ;;
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

unit_file() {
    # What it is enabled by: its name, or its file when no link leads to that any more.
    if [ "$(property LoadState)" = not-found ]; then printf '%s\n' "$captured_path"; else printf '%s\n' "$unit"; fi
}

active() {
    case $(property ActiveState) in active | reloading | activating) ;; *) return 1 ;; esac
}

enabled() {
    # A unit that a generator makes, as of an init script, is made anew each time the host starts.
    case $(property UnitFileState) in enabled | enabled-runtime | linked | linked-runtime | generated) ;; *) return 1 ;; esac
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
    ! active && [ "$(property ActiveState)" != deactivating ] && { [ "${boot-}" = keep ] || ! enabled; }
}

capture() {
    sane && ears || return
    printf 'active=%s\n' "$(property ActiveState)"
    printf 'enabled=%s\n' "$(property UnitFileState)"
    printf 'path=%s\n' "$(readlink -f -- "$(property FragmentPath)")"
    printf 'main=%s\n' "$(property MainPID)"
}

disabled() {
    # To disable the unit of an init script would change the links of that, not back to what they were.
    if [ "$(property UnitFileState)" = generated ]; then
        systemctl --quiet mask -- "$unit"
        return
    fi
    # What was enabled for this run of the host alone, and what a generator enables each time anew, stays with the first of these.
    for how in disable "--runtime disable" mask; do
        # shellcheck disable=SC2086  # words
        ! enabled || systemctl --quiet $how -- "$unit" || return
    done
}

apply() {
    sane && ears || return
    # Stopped while its file is known, which says how.
    gone || systemctl stop -- "$unit" || return
    [ "${boot-}" = keep ] || disabled || return
    echo "$unit is stopped"
}

verify() {
    sane && ears || return 2
    if active; then
        echo "$unit is $(property ActiveState)"
        return 1
    fi
    if [ "${boot-}" != keep ] && enabled; then
        echo "$unit is stopped, but would start with the host"
        return 1
    fi
    for trigger in $(property TriggeredBy); do
        if [ "$(systemctl is-active -- "$trigger")" = active ]; then
            echo "$unit is stopped, but $trigger starts it again: stop that first"
            return 1
        fi
    done
    # Not as systemd says, but what is there.
    if [ "${captured_main:-0}" != 0 ] && grep -qF -e "/$unit" "/proc/$captured_main/cgroup" 2> /dev/null; then
        echo "process $captured_main of $unit is still there"
        return 1
    fi
    if [ -n "${port-}" ]; then
        heard=$(listener) || return 2
        [ -z "$heard" ] || {
            echo "$unit is stopped, but something listens on port $port"
            return 1
        }
    fi
    echo "$unit is stopped${port:+, nothing listens on port $port}"
}

unmasked() {
    case $(property UnitFileState) in "${captured_enabled-}") ;; masked*) systemctl --quiet unmask -- "$unit" ;; esac
}

undo() {
    sane && unmasked || return
    case ${captured_enabled-} in
        "$(property UnitFileState)") ;;
        enabled) systemctl --quiet enable -- "$(unit_file)" || return ;;
        enabled-runtime) systemctl --quiet --runtime enable -- "$(unit_file)" || return ;;
        linked) systemctl --quiet link -- "$(unit_file)" || return ;;
        linked-runtime) systemctl --quiet --runtime link -- "$(unit_file)" || return ;;
    esac
    case ${captured_active-} in
        active | reloading | activating)
            systemctl start -- "$unit" || {
                echo "$unit does not start: $(property Result)"
                return 1
            }
            ;;
    esac
    echo "$unit is ${captured_active:-inactive} and ${captured_enabled:-disabled}, as before"
}

verify_undo() {
    sane || return 2
    case ${captured_active-} in
        active | reloading | activating)
            if ! active; then
                echo "$unit is $(property ActiveState)"
                return 1
            fi
            if [ -n "${port-}" ] && [ -z "$(listener)" ]; then
                echo "nothing listens on port $port"
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
