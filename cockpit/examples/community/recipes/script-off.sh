# recipe: Disable a script for its users: nobody may run it
# group: services
# danger: low who wants to run it gets an error
# undo: gives it its mode back
# param: file the script
# needs: stat chmod
# shellcheck shell=sh disable=SC2154

mode() {
    stat -Lc %a -- "$file"
}

probe() {
    now=$(mode) || return 2
    case $now in *[1357]*) return 1 ;; esac
}

capture() {
    now=$(mode) && echo "mode=$now"
}

apply() {
    [ -f "$file" ] || { echo "there is no script $file" && return 1; }
    chmod a-x -- "$file" && echo "$file is disabled"
}

verify() {
    "$file" < /dev/null > /dev/null 2>&1
    [ $? = 126 ] && echo "$file cannot be run, not by root" && return
    echo "$file can be run"
    return 1
}

undo() {
    chmod "${captured_mode:?}" -- "$file"
}

verify_undo() {
    [ "$(mode)" = "${captured_mode:?}" ] && echo "$file has its mode $captured_mode again"
}
