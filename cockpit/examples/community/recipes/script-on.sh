# recipe: Enable a script for its users again: everybody may run it
# group: services
# danger: low who runs it gets what it makes
# undo: gives it its mode back
# param: file the script
# needs: stat chmod
# shellcheck shell=sh disable=SC2154

mode() {
    stat -Lc %a -- "$file"
}

probe() {
    now=$(mode) || return 2
    case $now in *[57][57][57]) ;; *) return 1 ;; esac
}

capture() {
    now=$(mode) && echo "mode=$now"
}

apply() {
    [ -f "$file" ] || { echo "there is no script $file" && return 1; }
    chmod a+rx -- "$file" && echo "$file is enabled"
}

verify() {
    if probe; then echo "everybody may run $file" && return; fi
    echo "$file cannot be run by everybody"
    return 1
}

undo() {
    chmod "${captured_mode:?}" -- "$file"
}

verify_undo() {
    [ "$(mode)" = "${captured_mode:?}" ] && echo "$file has its mode $captured_mode again"
}
