# recipe: Copy a data directory, evolve the copy, and switch the link to it only if that succeeded
# group: data
# danger: high users get the evolved data; what is written into the old one after the copy is left behind
# undo: points the link back to the recorded directory; the copy is removed, or kept aside if it was written to since
# param: current the link that services use
# param: to the new directory's path, beside the old one; it must not be there yet
# param: evolve shell text that evolves the data in the folder it is started in, which is also in $data
# param: check shell text that must succeed in the evolved folder through the link (optional: its files are compared)
# needs: base64 cp mv readlink sha256sum stat
# shellcheck shell=sh disable=SC2154

# The mark beside the new directory says that it is whole, and what was in it then.
mark() {
    printf '%s\n' "$to.evolved"
}

sum_of() {
    # A sum over all names, kinds, owners, links and contents below a folder.
    (
        cd -- "$1" || exit
        {
            find . -exec stat -c '%A %u %g %n' {} +
            find . -type l -exec readlink {} \;
            find . -type f -exec sha256sum {} +
        } | LC_ALL=C sort | sha256sum | cut -c 1-40
    )
}

sane() {
    case $current$to in
        *'
'*)
            echo "a path is one line"
            return 1
            ;;
    esac
    case $to in
        /*) ;;
        *) echo "$to is no absolute path" && return 1 ;;
    esac
    [ -L "$current" ] || { echo "$current is no link: make it one first" && return 1; }
}

probe() {
    [ -f "$(mark)" ] && [ "$(readlink -- "$current")" = "$to" ]
}

capture() {
    sane >&2 || return
    [ -d "$current/" ] || { echo "$current leads to no folder" >&2 && return 1; }
    if [ -e "$to" ] || [ -e "$to.copy" ]; then echo "$to is there already" >&2 && return 1; fi
    # It may hold anything, and a captured value has no tabs.
    printf 'target=%s\n' "$(readlink -- "$current" | base64 | tr -d '\n')"
}

target() {
    printf '%s' "$captured_target" | base64 -d
}

pointed() {
    # The change that users see is one rename.
    rm -f -- "$current.new" && ln -s -- "$1" "$current.new" && mv -T -- "$current.new" "$current"
}

apply() {
    sane || return
    if probe; then echo "$current leads to $to already" && return; fi
    if [ ! -f "$(mark)" ]; then
        [ "$(readlink -- "$current")" = "$(target)" ] || { echo "$current leads elsewhere by now: nothing was changed" && return 1; }
        rm -rf -- "$to" "$to.copy" || return
        if ! mkdir -- "$to.copy" || ! cp -a -- "$current/." "$to.copy/"; then
            rm -rf -- "$to.copy"
            echo "$current cannot be copied: no user impact, $current is as it was"
            return 1
        fi
        # One stream: what it complains of stands before what we say of it.
        (cd -- "$to.copy" && data="$to.copy" exec sh -ec "
$evolve") 2>&1 || {
            status=$?
            rm -rf -- "$to.copy"
            echo "the evolve ended with $status on the copy: no user impact, $current is as it was"
            return 1
        }
        mv -T -- "$to.copy" "$to" && sum_of "$to" > "$(mark).new" && mv -f -- "$(mark).new" "$(mark)" || return
    fi
    pointed "$to" && echo "evolved on a copy: $current leads to $to"
}

verify() {
    [ "$(readlink -- "$current")" = "$to" ] && [ -d "$current/" ] || { echo "$current does not lead to $to" && return 1; }
    if [ -n "${check-}" ]; then
        (cd -- "$current/" && data="$current" exec sh -ec "
$check") && echo "the check holds through $current" && return
        echo "the check does not hold through $current"
        return 1
    fi
    if [ "$(sum_of "$current/")" = "$(cat "$(mark)")" ]; then echo "through $current are the evolved files, untouched since"; else
        echo "through $current is the evolved folder; it was written to since"
    fi
}

undo() {
    sane || return
    if [ "$(readlink -- "$current")" = "$to" ]; then
        [ -d "$(cd -- "$(dirname -- "$current")" && dir=$(target) && cd -- "$dir" && pwd)" ] ||
            { echo "the recorded folder $(target) is gone" && return 1; }
        pointed "$(target)" || return
    fi
    rm -f -- "$current.new" && rm -rf -- "$to.copy" "$(mark).new" || return
    if [ -d "$to" ] && [ -f "$(mark)" ] && [ "$(sum_of "$to")" != "$(cat "$(mark)")" ]; then
        kept=$to.undone-$(date +%s)
        mv -T -- "$to" "$kept" && rm -f -- "$(mark)" && echo "$current is back; what was written since is kept in $kept"
        return
    fi
    rm -rf -- "$to" && rm -f -- "$(mark)" && echo "$current is back and the copy is gone"
}

verify_undo() {
    [ "$(readlink -- "$current")" = "$(target)" ] && [ -d "$current/" ] && echo "$current leads to $(target) again" && return
    echo "$current does not lead to $(target)"
    return 1
}
