# recipe: Keep a copy of a game's last known-good save in a separate folder
# group: data
# danger: low the copy takes room
# undo: removes the copy, and the folder if it was made for it
# param: user whose save it is
# param: save the save
# param: into the separate folder
# param: check shell text that succeeds when the save $save can be loaded
# needs: cmp su
# shellcheck shell=sh disable=SC2154

sane() {
    case $user in '' | [!A-Za-z_]* | *[!A-Za-z0-9._-]*) echo "no name of a user: $user" && return 2 ;; esac
    case $save:$into in /*:/*) ;; *) echo "a path is not absolute" && return 2 ;; esac
    case $save in */ | "$into"/*) echo "the save is no file outside of the folder" && return 2 ;; esac
    id "$user" > /dev/null 2>&1 || {
        echo "there is no user $user"
        return 2
    }
    copy=$into/${save##*/}
}

# Whether a save can be loaded, as its user sees it.
good() {
    [ -f "$1" ] || return
    # A text of several lines stops at its first error.
    text="set -e
$check"
    if [ "$(id -un)" = "$user" ]; then save=$1 sh -c "$text" 2>&1; else save=$1 su -s /bin/sh "$user" -c "$text" 2>&1; fi
}

probe() {
    sane || return 2
    [ -f "$save" ] && [ -f "$copy" ] && cmp -s "$save" "$copy"
}

capture() {
    sane || return
    if [ -e "$copy" ]; then echo "had=file"; elif [ -d "$into" ]; then echo "had=folder"; else echo "had=nothing"; fi
}

apply() {
    sane || return
    said=$(good "$save") || {
        echo "$save is no good save: ${said:-it is not there}"
        return 1
    }
    if [ "${captured_had-}" = file ] && ! cmp -s "$save" "$copy"; then
        echo "$copy is there already and differs: move it away"
        return 1
    fi
    (umask 077 && mkdir -p "$into") && chown "$user:" "$into" && cp -p "$save" "$copy.new" && mv "$copy.new" "$copy" && echo "$copy is there"
}

verify() {
    sane || return 2
    said=$(good "$copy") && echo "the copy can be loaded: $said" && return
    echo "the copy cannot be loaded: ${said:-it is not there}"
    return 1
}

undo() {
    sane || return
    rm -f "$copy.new" || return
    case ${captured_had-} in
        file) ;;
        folder) rm -f "$copy" ;;
        *) rm -f "$copy" && { [ ! -d "$into" ] || rmdir "$into"; } ;;
    esac && echo "the copy is gone"
}

verify_undo() {
    sane || return 2
    [ "${captured_had-}" = file ] || [ ! -e "$copy" ] || {
        echo "$copy is still there"
        return 1
    }
    echo "it is as it was"
}
