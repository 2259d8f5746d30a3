# Sets aside what rsync's own backup does not keep: attributes of entries of which only those change, and folders.
# Called as: sh -c TEXT cockpit-aside FOLDER INDEX TREE, with the NUL-ended names of which only attributes would change, or that
# hold what changes, on standard input.
export LC_ALL=C
set -f
umask 077
cd || exit 1
aside=$1 index=$2 tree=$3
mkdir -p "$aside/attr.$index" || exit 1
case $aside in /*) ;; *) aside=$PWD/$aside ;; esac
cat >"$aside/attr.$index.list" || exit 1
cd -- "$tree" || exit 1
[ -s "$aside/attr.$index.list" ] || exit 0
# What is a file keeps its content where it is: only its attributes are noted, on an empty one of the same name, where cp can.
: >"$aside/some"
if cp --attributes-only "$aside/some" "$aside/same" 2>/dev/null; then bare=files; else bare=others; fi
rm -f "$aside/some" "$aside/same"
# shellcheck disable=SC2016  # expanded by the inner shell
xargs -0 sh -c 'd=$1; b=$2; shift 2
    for name do
        if [ -d "$name" ] && [ ! -L "$name" ]; then printf "%s\0" "$name" >>"$d.folders"
        elif [ -f "$name" ] && [ ! -L "$name" ]; then printf "%s\0" "$name" >>"$d.$b"
        elif [ -e "$name" ] || [ -L "$name" ]; then printf "%s\0" "$name" >>"$d.others"; fi
    done' cockpit-sort "$aside/attr.$index" "$bare" <"$aside/attr.$index.list" || exit 1
d=$aside/attr.$index
if [ -s "$d.files" ]; then xargs -0 cp -a --attributes-only --parents -t "$d" -- <"$d.files" || exit 1; fi
# shellcheck disable=SC2086  # `only` is words, or none
for kind in others folders; do
    [ -s "$d.$kind" ] || continue
    # `.` as a folder would bring what is in it.
    if [ "$kind" = folders ]; then only='--include=*/ --exclude=*'; else only=; fi
    rsync -dlptgoDHAX --numeric-ids --no-implied-dirs --from0 $only --files-from="$d.$kind" ./ "$d/" 2>"$aside/said" ||
        rsync -dlptgoDH --numeric-ids --no-implied-dirs --from0 $only --files-from="$d.$kind" ./ "$d/" || exit 1
done
