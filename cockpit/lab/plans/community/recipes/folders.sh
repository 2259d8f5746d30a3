# recipe: Make folders that only their owner may read, for what the migration writes down
# group: lab
# danger: low empty folders
# undo: removes those that it made, when they are empty
# param: folders paths, with spaces between; each but the first may lie in one before it
# needs: stat
# shellcheck shell=sh disable=SC2154

ours() {
    [ -d "$1" ] && [ "$(stat -c '%u %a' -- "$1")" = "$(id -u) 700" ] && return
    echo "$1 is no folder of ours that nobody else may read"
    return 1
}

probe() {
    set -f
    for folder in $folders; do ours "$folder" > /dev/null || return 1; done
}

capture() {
    set -f
    made=$(for folder in $folders; do
        while [ ! -d "$folder" ]; do
            printf '%s\n' "$folder"
            folder=$(dirname -- "$folder")
        done
    done | LC_ALL=C sort -ru | tr '\n' ' ')
    # The other way round: what lies inside goes first.
    echo "made=$made"
}

apply() {
    set -f
    umask 077
    for folder in $folders; do
        # What others made stays as it is: undo could not give it back.
        [ -e "$folder" ] || mkdir -p -- "$folder" || return
        ours "$folder" || return
    done
    echo "the folders are there"
}

verify() {
    set -f
    for folder in $folders; do ours "$folder" || return; done
    echo "each is a folder that only we may read"
}

undo() {
    set -f
    for folder in ${captured_made-}; do
        [ ! -d "$folder" ] || rmdir -- "$folder" || return
    done
    echo "the folders are gone"
}

verify_undo() {
    set -f
    for folder in ${captured_made-}; do [ ! -e "$folder" ] || return 1; done
}
