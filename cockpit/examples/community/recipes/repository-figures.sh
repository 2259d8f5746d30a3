# recipe: Write down what each git and darcs repository below a folder holds
# group: files
# danger: low every repository is read
# undo: removes the file
# param: root the folder with the repositories
# param: file the file to write
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

probe() {
    return 1
}

capture() {
    if [ -e "$file" ]; then
        echo "there is a file $file already" >&2
        return 1
    fi
}

apply() {
    figures > "$file.new" && mv "$file.new" "$file" && echo "$(wc -l < "$file") repositories are written down"
}

verify() {
    now=$(figures) || return 2
    [ -n "$now" ] && [ "$now" = "$(cat "$file")" ] || { echo "the repositories are no longer as they were written down" && return 1; }
    echo "$(wc -l < "$file") repositories hold what is written down"
}

undo() {
    rm -f "$file" "$file.new"
}

verify_undo() {
    [ ! -e "$file" ] && [ ! -e "$file.new" ]
}
