# recipe: Write down the configuration of this side, line by line, for another side to compare itself with
# group: releases
# danger: low it writes one file, of the figures
# undo: removes the figures, or restores what was there
# param: config files and folders of configuration, one a line
# param: figures the file to write; only its owner may read it, for configuration holds passwords
# param: facts shell text that prints `name=value` lines of what is no file, such as versions (optional)
# needs: find awk sha256sum
# shellcheck shell=sh disable=SC2154

sane() {
    case $figures in
        *"
"*) echo "the file of figures is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the file of figures is no absolute path: $figures"; return 1 ;;
    esac
    kept=$figures.before
}

taken() {
    # `path TAB line`, without comments, blank lines and the space around; a folder's files by their full path.
    printf '%s\n' "$config" | while IFS= read -r place; do
        [ -n "$place" ] || continue
        [ -r "$place" ] || { echo "$place cannot be read" >&2; exit 1; }
        case $place in -*) place=./$place ;; esac
        find -L "$place" -type f -exec awk '
            { sub(/\r$/, ""); gsub(/^[ \t]+|[ \t]+$/, "") }
            /^$/ || /^[#;]/ { next }
            { print FILENAME "\t" $0 }' {} + || exit
    done || return
    [ -z "${facts-}" ] || { said=$(sh -ec "
$facts" < /dev/null) && printf '%s\n' "$said" | sed 's/^/facts	/'; }
}

probe() {
    sane || return 2
    now=$(taken | LC_ALL=C sort -u | sha256sum) || return 2
    [ "$now" = "$(sha256sum < "$figures" 2> /dev/null)" ]
}

capture() {
    sane || return
    if [ -e "$kept" ]; then
        echo "$kept is in the way"
        return 1
    fi
    if [ -f "$figures" ]; then echo "figures=there"; else echo "figures=absent"; fi
}

apply() {
    sane || return
    umask 077
    rm -f "$figures.new"
    lines=$(taken) || return
    printf '%s\n' "$lines" | LC_ALL=C sort -u > "$figures.new" || return
    if [ "${captured_figures:-absent}" = there ] && [ ! -e "$kept" ]; then
        cp -p "$figures" "$kept.new" && mv "$kept.new" "$kept" || return
    fi
    mv "$figures.new" "$figures" && echo "$(wc -l < "$figures" | tr -d ' ') lines of configuration are written down"
}

verify() {
    probe || {
        echo "the figures are not those of this side's configuration"
        return 1
    }
    echo "the figures are those of this side: $(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') files"
}

undo() {
    sane || return
    rm -f "$figures.new" "$kept.new" || return
    if [ "${captured_figures:-there}" = absent ]; then
        rm -f "$figures"
    elif [ -e "$kept" ]; then
        mv "$kept" "$figures"
    fi || return
    echo "the figures are as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$kept" ] && [ ! -e "$figures.new" ] || return 1
    [ "${captured_figures:-there}" = there ] || [ ! -e "$figures" ] || return 1
    echo "the figures are as before"
}
