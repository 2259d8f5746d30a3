# recipe: Try read-only and its undo on a folder that is made for it
# group: lab
# danger: none
# undo: nothing to take back: the folder is gone
# param: path the folder to make
# needs: flock may
# shellcheck shell=sh disable=SC2154

rules=etc/readonly

probe() {
    return 1
}

put() (
    exec 9>> var/lock
    flock 9
    { grep -vxF -e "$path" "$rules" 2> /dev/null; printf '%s' "${1:+$1
}"; } > "$rules.new"
    # With no rule left there is no file, as before the first.
    if [ -s "$rules.new" ]; then mv "$rules.new" "$rules"; else rm -f "$rules.new" "$rules"; fi
)

drilled() {
    # One that was cut off may have left its rule.
    put '' && mkdir -p "$path" || return
    may "$path/x" > /dev/null && put "$path" && ! may "$path/x" > /dev/null && put '' && may "$path/x" > /dev/null
    status=$?
    put ''
    rmdir "$path"
    return "$status"
}

apply() {
    drilled && echo "$path was read-only, and is writable again"
}

verify() {
    drilled && echo "read-only and its undo work"
}

undo() {
    put ''
    if [ -d "$path" ]; then rmdir "$path"; fi
}

verify_undo() {
    [ ! -d "$path" ]
}
