# recipe: Stop a systemd timer on this host, and let a run that is under way end
# group: services
# danger: low the job does not run on this host any more
# undo: enables and starts the timer again, if it was; unmasks what had to be masked
# param: unit the timer, such as `planet.timer`
# param: within seconds to wait for a run that is under way, default 60
# needs: systemctl
# shellcheck shell=sh disable=SC2154

sane() {
    case $unit in
        -* | *[!A-Za-z0-9:_.\\@-]*) echo "this is no name of a unit"; return 1 ;;
        *.timer) ;;
        *) echo "the unit is named with its kind: NAME.timer"; return 1 ;;
    esac
    case ${within:-60} in
        *[!0-9]*) echo "the seconds to wait are a whole number"; return 1 ;;
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

next_run() {
    # As the list of timers tells it: in a time, or nothing.
    systemctl list-timers --all --no-legend --no-pager -- "$unit" 2> /dev/null | sed -e 's/^[[:space:]]*//' -e '/^-/d' -e '/^n\/a/d' | cut -d ' ' -f 1-4
}

busy() {
    # The service that it starts, while it runs; only its file tells which.
    for job in ${captured_jobs:-$(property Triggers)}; do
        case $(systemctl is-active -- "$job") in active | activating | reloading) echo "$job"; return ;; esac
    done
}

probe() {
    sane || return 2
    ! active && ! enabled && [ -z "$(busy)" ]
}

capture() {
    sane || return
    printf 'active=%s\n' "$(property ActiveState)"
    printf 'enabled=%s\n' "$(property UnitFileState)"
    printf 'jobs=%s\n' "$(property Triggers)"
    printf 'path=%s\n' "$(readlink -f -- "$(property FragmentPath)")"
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
    sane || return
    gone || systemctl stop -- "$unit" || return
    disabled || return
    tries=0
    while job=$(busy) && [ -n "$job" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-60} * 5)) ]; then
            echo "$unit starts nothing more, but $job is still under way"
            return 1
        fi
        sleep 0.2
    done
    echo "$unit is stopped"
}

verify() {
    sane || return 2
    at=$(next_run)
    if [ -n "$at" ] || active; then
        echo "$unit runs next at $at"
        return 1
    fi
    if enabled; then
        echo "$unit is stopped, but would start with the host"
        return 1
    fi
    job=$(busy)
    if [ -n "$job" ]; then
        echo "$unit is stopped, but $job is still under way"
        return 1
    fi
    echo "$unit has no next run here, and none is under way"
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
    case ${captured_active-} in active) systemctl start -- "$unit" || return ;; esac
    echo "$unit is ${captured_active:-inactive} and ${captured_enabled:-disabled}, as before"
}

verify_undo() {
    sane || return 2
    if [ "$(property ActiveState)/$(property UnitFileState)" != "${captured_active-}/${captured_enabled-}" ]; then
        echo "$unit is $(property ActiveState) and $(property UnitFileState)"
        return 1
    fi
    echo "$unit is as before, its next run: $(next_run)"
}
