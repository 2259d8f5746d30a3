# Takes a copy back, on the host that received, or (check) says whether it is taken back. Set before this text: `aside`, and
# for each pair a call of `pair INDEX TREE`. In `aside`: undo.INDEX.made (names to remove, deepest first), undo.INDEX.LAYER (names
# to bring back from that layer), attr.INDEX and its lists; names end in NUL.
export LC_ALL=C
set -f
cd || exit 1
home=$PWD
case $aside in /*) ;; *) aside=$PWD/$aside ;; esac
bring() { rsync -lptgoDHS$ext --numeric-ids --no-implied-dirs --force --from0 "$@"; }
ext=AX
case $(rsync --version) in *"no ACLs"* | *"no xattrs"*) ext= ;; esac
# shellcheck disable=SC2016  # expanded by the inner shell
unmake='for name do if [ -d "$name" ] && [ ! -L "$name" ]; then rmdir -- "$name" 2>/dev/null || :; else rm -f -- "$name"; fi; done'
# shellcheck disable=SC2016
there='for name do if [ -L "$name" ] || [ -e "$name" ] && [ ! -d "$name" ]; then printf "%s is still there\n" "$name"; exit 1; fi; done'
pair() {
    cd "$home" && cd -- "$2" 2>/dev/null || return 0
    made=$aside/undo.$1.made
    lost=$aside/undo.$1.lost
    if [ "$check" ]; then
        if [ -s "$lost" ]; then xargs -0 sh -c "$there" cockpit-there <"$lost" || exit 1; fi
    elif [ -s "$made" ]; then xargs -0 sh -c "$unmake" cockpit-unmake <"$made"; fi
    set +f
    for list in "$aside/undo.$1".[0-9]*; do
        set -f
        [ -s "$list" ] || continue
        layer=${list##*.}
        if [ "$check" ]; then
            said=$(bring -ni --files-from="$list" "$aside/$layer/kept.$1/" ./ 2>&1) || exit 2
            [ -z "$said" ] || { printf '%s\n' "$said" | head -n 3; exit 1; }
        else bring --files-from="$list" "$aside/$layer/kept.$1/" ./ || exit 1; fi
    done
    if [ ! "$check" ] && [ -s "$lost" ]; then xargs -0 sh -c "$unmake" cockpit-unmake <"$lost"; fi
    d=$aside/attr.$1
    if [ ! "$check" ] && [ -s "$d.files" ]; then
        tree=$PWD
        (cd "$d" && xargs -0 cp -a --attributes-only --parents -t "$tree" -- <"$d.files") || exit 1
    fi
    # shellcheck disable=SC2086  # `only` is words, or none
    for kind in others folders; do
        [ -s "$d.$kind" ] || continue
        # `.` as a folder would bring what is in it.
        if [ "$kind" = folders ]; then only='--include=*/ --exclude=*'; else only=; fi
        if [ "$check" ]; then
            said=$(bring -nid $only --files-from="$d.$kind" "$d/" ./ 2>&1) || exit 2
            [ -z "$said" ] || { printf '%s\n' "$said" | head -n 3; exit 1; }
        else bring -d $only --files-from="$d.$kind" "$d/" ./ || exit 1; fi
    done
    if [ ! "$check" ] && [ -f "$aside/absent.$1" ]; then cd "$home" && rmdir -- "$2" 2>/dev/null; fi
    :
}
