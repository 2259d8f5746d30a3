# recipe: Freeze a service by its own switch; a write of our own is refused then, and accepted again afterwards
# group: files
# danger: high the service takes no writes
# undo: thaws it, and a write of our own is accepted
# param: freeze shell text that freezes
# param: thaw shell text that thaws
# param: frozen shell text that ends with 0 when the switch says frozen, with 1 when not
# param: write shell text that writes as a user would: it ends with 0 when accepted, with 1 when refused, else when it cannot be told
# param: within seconds in which the service has to follow its switch, default 10
# shellcheck shell=sh disable=SC2154

asked() {
    # A text of several lines stops at its first error; one that begins with a dash is no option.
    sh -ec "
$1" < /dev/null
}

sane() {
    case ${within:-10} in
        *[!0-9]*) echo "the seconds to wait are a whole number: $within"; return 1 ;;
    esac
}

probe() {
    sane || return 2
    asked "$frozen" > /dev/null 2>&1
    status=$?
    case $status in
        0 | 1) return "$status" ;;
        *)
            echo "the switch cannot be read: status $status"
            return 2
            ;;
    esac
}

capture() {
    probe > /dev/null
    case $? in
        0) echo "was=frozen" ;;
        1) echo "was=thawed" ;;
        *) probe ;;
    esac
}

turned() {
    # Waits until the switch says so ($1: 0 frozen, 1 not): some follow a moment later.
    tries=0
    while :; do
        probe > /dev/null
        [ $? != "$1" ] || return 0
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-10} * 5)) ]; then
            echo "the switch was turned, but does not say so"
            return 1
        fi
        sleep 0.2
    done
}

apply() {
    sane || return
    asked "$freeze" || {
        echo "freezing ended with $?"
        return 1
    }
    turned 0 || return
    echo "the switch says frozen"
}

follows() {
    # Waits until a write of our own ends with $1.
    tries=0
    while :; do
        said=$(asked "$write" 2>&1)
        status=$?
        [ "$status" != "$1" ] || return 0
        tries=$((tries + 1))
        [ "$tries" -le $((${within:-10} * 5)) ] || return 1
        sleep 0.2
    done
}

verify() {
    sane || return 2
    probe > /dev/null || {
        status=$?
        echo "the switch does not say frozen"
        return "$status"
    }
    follows 1 && echo "a write of our own is refused" && return
    if [ "$status" = 0 ]; then
        echo "the switch says frozen, but a write of our own was accepted"
        return 1
    fi
    echo "whether a write is refused cannot be told: $(printf '%s\n' "$said" | tail -n 1)"
    return 2
}

undo() {
    sane || return
    if [ "${captured_was:-thawed}" = frozen ]; then
        echo "it was frozen before: it stays so"
        return
    fi
    asked "$thaw" || {
        echo "thawing ended with $?"
        return 1
    }
    turned 1 || return
    echo "the switch says thawed"
}

verify_undo() {
    sane || return 2
    [ "${captured_was:-thawed}" = thawed ] || return 0
    if probe > /dev/null; then
        echo "the switch still says frozen"
        return 1
    fi
    follows 0 && echo "a write of our own is accepted again" && return
    echo "a write of our own is not accepted: $(printf '%s\n' "$said" | tail -n 1)"
    [ "$status" = 1 ] || return 2
    return 1
}
