# recipe: Start a systemd timer on this host, which becomes the job's one owner
# group: services
# danger: high the job runs here, a persistent timer at once; make sure that it is stopped elsewhere
# undo: stops and disables the timer, if it was so
# param: unit the timer, such as `planet.timer`
# param: elsewhere shell text that succeeds when no other host runs the job; asked before the start and at each look (optional)
# needs: systemctl
# shellcheck shell=sh disable=SC2154

sane() {
    case $unit in
        -* | *[!A-Za-z0-9:_.\\@-]*) echo "this is no name of a unit"; return 1 ;;
        *.timer) ;;
        *) echo "the unit is named with its kind: NAME.timer"; return 1 ;;
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

next_run() {
    # As the list of timers tells it: in a time, or nothing.
    systemctl list-timers --all --no-legend --no-pager -- "$unit" 2> /dev/null | sed -e 's/^[[:space:]]*//' -e '/^-/d' -e '/^n\/a/d' | cut -d ' ' -f 1-4
}

alone() {
    [ -n "${elsewhere-}" ] || return 0
    said=$(sh -ec "
$elsewhere" < /dev/null 2>&1) || {
        echo "another host still runs it: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
}

probe() {
    sane || return 2
    active && { enabled || ! installable; }
}

capture() {
    sane || return
    printf 'active=%s\n' "$(property ActiveState)"
    printf 'enabled=%s\n' "$(property UnitFileState)"
    printf 'path=%s\n' "$(readlink -f -- "$(property FragmentPath)")"
}

apply() {
    sane && alone || return 1
    if ! enabled && installable; then systemctl --quiet enable -- "$unit" || return; fi
    systemctl start -- "$unit" || {
        echo "$unit does not start: $(property Result)"
        return 1
    }
    echo "$unit is started"
}

verify() {
    sane || return 2
    at=$(next_run)
    if ! active || [ -z "$at" ]; then
        echo "$unit is $(property ActiveState) and has no next run"
        return 1
    fi
    if ! enabled && installable; then
        echo "$unit runs next at $at, but does not start with the host"
        return 1
    fi
    alone || return 1
    echo "$unit runs next at $at"
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
    case ${captured_active-} in active) ;; *) gone || systemctl stop -- "$unit" || return ;; esac
    unlinked || return
    echo "$unit is ${captured_active:-inactive} and ${captured_enabled:-disabled}, as before"
}

verify_undo() {
    sane || return 2
    if [ "$(property ActiveState)/$(property UnitFileState)" != "${captured_active-}/${captured_enabled-}" ]; then
        echo "$unit is $(property ActiveState) and $(property UnitFileState)"
        return 1
    fi
    echo "$unit is as before"
}
