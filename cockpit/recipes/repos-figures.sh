# recipe: Write down the repositories of this host, git and darcs, with refs, patches, hooks and modes, for the other host
# group: files
# danger: none
# undo: removes the figures, or restores what was there
# param: root the folder in which the repositories lie
# param: figures the file to write
# needs: find git sha256sum stat
# shellcheck shell=sh disable=SC2154

sane() {
    case $root$figures in
        *"
"*) echo "a path is named over two lines"; return 1 ;;
    esac
    case $root:$figures in
        /*:/*) ;;
        *) echo "a path is not absolute"; return 1 ;;
    esac
    if [ ! -d "$root" ]; then
        echo "there is no folder $root"
        return 1
    fi
    if [ -n "$(find "$root" -name '*
*' -print | head -n 1)" ]; then
        echo "a name in $root goes over two lines"
        return 1
    fi
}

store() {
    # Where git keeps the repository $1, from the root on; nothing if it is none of git.
    if [ -f "$1/HEAD" ] && [ -d "$1/objects" ]; then echo "$1"
    elif [ -f "$1/.git/HEAD" ]; then echo "$1/.git"; fi
}

repositories() {
    (cd "$root" && find . -type d \( -name _darcs -o -name objects \) -prune -print) | sed -e 's,/_darcs$,,' -e 's,/objects$,,' -e 's,/[.]git$,,' | LC_ALL=C sort -u
}

taken() {
    # `REPOSITORY TAB what it has`: refs or patches, hooks with their modes, owner and mode.
    repositories | while IFS= read -r one; do
        {
            place=$root/$one
            if [ -d "$place/_darcs" ]; then
                echo "darcs patches $(cd "$place" && darcs log --count 2> /dev/null) $(cd "$place" && darcs log --xml-output 2> /dev/null | sha256sum | cut -d ' ' -f 1)"
                hooks=$place/_darcs/prefs
            else
                inner=$(store "$place")
                [ -n "$inner" ] || exit
                echo "git HEAD $(git -c safe.directory='*' --git-dir="$inner" symbolic-ref -q HEAD || cat "$inner/HEAD")"
                git -c safe.directory='*' --git-dir="$inner" for-each-ref --format='git ref %(refname) %(objectname)'
                hooks=$inner/hooks
            fi
            stat -c 'folder %a %U %G' "$place"
            if [ -d "$hooks" ]; then
                (cd "$hooks" && find . -type f ! -name '*.sample' -exec sha256sum {} + -exec stat -c 'mode of %n %a %U %G' {} +) | sed 's/^/hook /'
            fi
        } | one=$one awk '{ print ENVIRON["one"] "\t" $0 }'
    done | LC_ALL=C sort
}

probe() {
    sane || return 2
    now=$(taken | sha256sum) || return 2
    [ "$now" = "$(sha256sum < "$figures" 2> /dev/null)" ]
}

capture() {
    sane || return
    if [ -e "$figures.before" ]; then
        echo "$figures.before is in the way"
        return 1
    fi
    if [ -f "$figures" ]; then echo "figures=there"; else echo "figures=absent"; fi
}

apply() {
    sane || return
    umask 077
    rm -f "$figures.new"
    taken > "$figures.new" || return
    if [ "${captured_figures:-absent}" = there ] && [ ! -e "$figures.before" ]; then
        cp -p "$figures" "$figures.before.new" && mv "$figures.before.new" "$figures.before" || return
    fi
    mv "$figures.new" "$figures" && echo "$(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') repositories are written down"
}

verify() {
    probe || {
        echo "the figures are not those of what is there now"
        return 1
    }
    if [ ! -s "$figures" ]; then
        echo "there are no repositories"
        return 1
    fi
    echo "the figures are those of $(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') repositories"
}

undo() {
    sane || return
    rm -f "$figures.new" "$figures.before.new" || return
    if [ "${captured_figures:-there}" = absent ]; then
        rm -f "$figures"
    elif [ -e "$figures.before" ]; then
        mv "$figures.before" "$figures"
    fi || return
    echo "the figures are as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$figures.before" ] && [ ! -e "$figures.new" ] || return 1
    [ "${captured_figures:-there}" = there ] || [ ! -e "$figures" ] || return 1
    echo "the figures are as before"
}
