# recipe: Measure the size of each data set, and how much of it changed lately
# group: data
# danger: none
# undo: nothing to take back
# param: paths the folders, with spaces between
# param: hours of how many hours changes are counted (default 24)
# needs: du find awk
# shellcheck shell=sh disable=SC2154

summed() {
    # Kilobytes, of what du has said ($2) about all below a folder, and of how it ended ($1). Files may vanish while it looks;
    # any other complaint is a failure.
    printf '%s\n' "$2" | awk -F '\t' -v status="$1" '
        /^[0-9]+\t\./ { sum += $1; next }
        /No such file or directory$/ { gone = 1; next }
        $0 != "" && wrong == "" { wrong = $0 }
        END {
            if (wrong == "" && status && !gone) wrong = "it ended with " status
            if (wrong != "") { print wrong; exit 1 }
            print sum + 0
        }'
}

measured() {
    # A line for each data set: kilobytes, kilobytes in files that changed, path.
    set -f
    for path in $paths; do
        [ -d "$path" ] || { echo "$path is no folder" && return 1; }
        said=$(cd -- "$path" && LC_ALL=C du -sk . 2>&1)
        all=$(summed $? "$said") || { echo "$path cannot be measured whole: $all" && return 1; }
        said=$(cd -- "$path" && LC_ALL=C find . -type f -mmin "-$((${hours:-24} * 60))" -exec du -k {} + 2>&1)
        lately=$(summed $? "$said") || { echo "what changed in $path cannot be measured: $lately" && return 1; }
        echo "$all $lately $path"
    done
}

probe() {
    return 1
}

apply() {
    found=$(measured) || {
        printf '%s\n' "$found" | tail -n 1
        return 1
    }
    printf '%s\n' "$found" | awk -v hours="${hours:-24}" '
        { printf "%s: %d KB, %d KB of it changed in %d h\n", $3, $1, $2, hours; all += $1; lately += $2 }
        END { printf "%d KB in %d data sets, %d KB changed in %d h\n", all, NR, lately, hours }'
}

verify() {
    found=$(measured) || {
        printf '%s\n' "$found" | tail -n 1
        return 2
    }
    echo "$(printf '%s\n' "$found" | wc -l) data sets can be read and measured"
}

undo() {
    return 0
}

verify_undo() {
    return 0
}
