# recipe: See that every service listens on this host, and that each daemon is content with its configuration
# group: after
# danger: none
# undo: nothing to take back
# param: ports the TCP ports on which something must listen, with spaces between
# param: checks shell text, one command a line, each of which must succeed (optional)
# needs: ss
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

looked() {
    set -f
    number=0
    for port in $ports; do
        number=$((number + 1))
        heard=$(ss -Hlnt "sport = :$port") || { echo "who listens on port $port cannot be told: ss ends with $?" && return 2; }
        [ -n "$heard" ] || { echo "nothing listens on port $port" && return 1; }
    done
    while IFS= read -r check; do
        [ -n "$check" ] || continue
        number=$((number + 1))
        said=$(sh -ec "
$check" 2>&1 < /dev/null) || { echo "$check: $(printf %s "$said" | tail -n 1)" && return 1; }
    done << END
${checks-}
END
    echo "$number of $number services and configurations are good"
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
