# recipe: Try read-only with an exception, and its undo, on a folder of its own; nothing of it stays
# group: files
# danger: low a folder of its own comes and goes
# undo: takes the folder away, if it was left
# param: folder the folder whose file system it is tried on
# needs: mount umount
# shellcheck shell=sh disable=SC2154

place=$folder/.freeze-drill

cleared() {
    while umount "$place/open" 2> /dev/null || umount "$place" 2> /dev/null; do :; done
    rm -rf "$place"
}

probe() {
    return 1
}

apply() {
    cleared && mkdir -p "$place/open" && mount --bind "$place/open" "$place/open" || return
    mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" || return
    # The exception's own mount is below the new one.
    mount --bind "$place/open" "$place/open" && mount -o remount,bind,rw "$place/open" || return
    if touch "$place/closed" 2> /dev/null; then
        echo "a read-only folder in $folder can be written"
        return 1
    fi
    touch "$place/open/archive" || { echo "the exception cannot be written" && return 1; }
    umount "$place/open" && umount "$place" || return
    umount "$place/open" 2> /dev/null
    touch "$place/closed" || { echo "after its undo the folder stays read-only" && return 1; }
    cleared && echo "read-only held, its exception took writes, and its undo gave all back"
}

verify() {
    if [ -e "$place" ]; then
        echo "$place was left behind"
        return 1
    fi
    echo "nothing of the drill is left in $folder"
}

undo() {
    cleared
}

verify_undo() {
    [ ! -e "$place" ]
}
