# recipe: Make folders that only their owner may read, for what the migration writes down
# group: lab
# danger: low empty folders
# undo: removes those that it made, when they are empty
# param: folders paths, with spaces between; each but the first may lie in one before it
# needs: stat
# shellcheck shell=sh disable=SC2154

probe() {
    set -f
    for folder in $folders; do [ -d "$folder" ] || return 1; done
}

capture() {
    set -f
    made=
    for folder in $folders; do [ -d "$folder" ] || made="$folder $made"; done
    # The other way round: what lies inside goes first.
    echo "made=$made"
}

apply() {
    set -f
    umask 077
    for folder in $folders; do mkdir -p -- "$folder" || return; done
    echo "the folders are there"
}

verify() {
    set -f
    for folder in $folders; do
        [ -d "$folder" ] && [ "$(stat -c %u -- "$folder")" = "$(id -u)" ] || {
            echo "$folder is no folder of ours"
            return 1
        }
    done
    echo "each is a folder of ours"
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
