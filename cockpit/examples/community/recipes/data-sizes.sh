# recipe: Measure the size of each data set, and how much of it changed lately
# group: data
# danger: none
# undo: nothing to take back
# param: paths the folders, with spaces between
# param: hours of how many hours changes are counted (default 24)
# needs: du find awk
# shellcheck shell=sh disable=SC2154

measured() {
    # A line for each data set: kilobytes, kilobytes in files that changed, path.
    set -f
    for path in $paths; do
        [ -d "$path" ] || { echo "$path is no folder" >&2 && return 1; }
        all=$(du -sk -- "$path" | awk '{ print $1 }')
        lately=$(find "$path" -type f -mmin "-$((${hours:-24} * 60))" -exec du -k {} + | awk '{ sum += $1 } END { print sum + 0 }')
        echo "$all $lately $path"
    done
}

probe() {
    return 1
}

apply() {
    measured | awk -v hours="${hours:-24}" '
        { printf "%s: %d KB, %d KB of it changed in %d h\n", $3, $1, $2, hours; all += $1; lately += $2 }
        END { printf "%d KB in %d data sets, %d KB changed in %d h\n", all, NR, lately, hours }'
}

verify() {
    found=$(measured) || return 2
    echo "$(printf '%s\n' "$found" | wc -l) data sets can be read and measured"
}

undo() {
    return 0
}

verify_undo() {
    return 0
}
