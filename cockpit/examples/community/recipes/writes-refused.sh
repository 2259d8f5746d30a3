# recipe: See that a site refuses writes: one is tried that holds nothing
# group: web
# danger: none
# undo: nothing to take back: what closed it opens it
# param: url the address on this host that takes writes
# param: name the site's real name, sent as Host
# needs: curl
# shellcheck shell=sh disable=SC2154

looked() {
    status=$(curl -sS -m 10 -o /dev/null -w '%{http_code}' -H "Host: $name" -d "n=" "$url") || return 2
    case $status in
        403 | 405 | 503) echo "$name refuses writes: $status" ;;
        *)
            echo "$name answers a write with $status"
            return 1
            ;;
    esac
}

probe() {
    return 1
}

apply() {
    looked
}

verify() {
    looked
}

undo() {
    return 0
}

verify_undo() {
    return 0
}
