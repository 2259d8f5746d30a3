# recipe: Check every git and darcs repository below a folder, and compare it with the figures of the other host
# group: files
# danger: none
# undo: nothing to take back
# param: root the folder with the repositories
# param: file the figures of the other host, as `repository-figures` wrote them there
# needs: cksum darcs find git sort
# shellcheck shell=sh disable=SC2154

figures() {
    # A line for each: kind, path, sum of what it holds, hooks with owner and mode.
    find "$root" -type d \( -name _darcs -o -name objects \) -prune | sort | while IFS= read -r inside; do
        path=${inside%/*}
        case $inside in
            */_darcs) kind=darcs held=$(cd / && darcs log --xml-output --repodir "$path" 2> /dev/null) || exit ;;
            *)
                [ -f "$path/HEAD" ] || continue
                kind=git held=$(git -c safe.directory='*' --git-dir="$path" for-each-ref) || exit
                ;;
        esac
        hooks=$(find "$path/hooks" "$inside/prefs" -type f -exec stat -c '%n %a %u %g' {} + 2> /dev/null | sort)
        printf '%s %s %s %s\n' "$kind" "${path#"$root"/}" "$(printf %s "$held" | cksum | tr ' ' -)" "$(printf %s "$hooks" | cksum | tr ' ' -)"
    done
}

whole() {
    # By the programs' own checks, which read every object.
    while read -r kind path _; do
        case $kind in
            darcs) (cd / && darcs check -q --no-test --repodir "$root/$path") > /dev/null 2>&1 ;;
            *) git -c safe.directory='*' --git-dir="$root/$path" fsck --full > /dev/null 2>&1 ;;
        esac || { echo "$root/$path is damaged" && return 1; }
    done < "$file"
}

looked() {
    [ -s "$file" ] || { echo "there are no figures at $file" && return 2; }
    whole || return
    now=$(figures) || { echo "the repositories cannot be read" && return 2; }
    [ "$now" = "$(cat "$file")" ] && echo "$(wc -l < "$file") repositories are whole and hold the same" && return
    echo "not the same: $(printf '%s\n' "$now" | diff - "$file" | grep '^[<>]' | cut -d ' ' -f 1-3 | tr '\n' ';')"
    return 1
}

probe() {
    return 1
}

apply() {
    looked
}

verify() {
    looked
}

undo() {
    return 0
}

verify_undo() {
    return 0
}
