# recipe: Register a check with the monitoring, and see it there
# group: after
# danger: low the monitoring reloads
# undo: puts back the file that was there, or removes it, and reloads
# param: file the file that the monitoring reads its checks from
# param: check what to write into it
# param: test shell text that tests the configuration, with the new file in place (default: none)
# param: reload shell text that makes the monitoring read it (default: none)
# param: seen shell text that succeeds once the monitoring shows the check; asked until it does
# param: within for how many seconds (default 30)
# needs: cmp
# shellcheck shell=sh disable=SC2154

same() {
    [ -f "$file" ] && printf '%s\n' "$check" | cmp -s - "$file"
}

sane() {
    case ${within:-30} in *[!0-9]*) echo "within: $within is no number of seconds" && return 1 ;; esac
}

probe() {
    same && sh -ec "
$seen" > /dev/null 2>&1
}

capture() {
    if [ -e "$file" ] && [ ! -f "$file" ]; then echo "$file is no file" >&2 && return 1; fi
    if ! sh -ec "
${test:-:}" > /dev/null 2>&1; then echo "the monitoring's configuration is broken already" >&2 && return 1; fi
    if [ -e "$file" ]; then echo "existed=1"; else echo "existed=0"; fi
    echo "token=$(date +%s)-$$"
}

names() {
    # Hidden, for the monitoring may read all that it sees in the folder.
    hidden=$(dirname -- "$file")/.${file##*/}
    former=$hidden.before-$captured_token new=$hidden.new
}

old() {
    names
    rm -f -- "$new" || return
    if [ -e "$former" ]; then
        # Both may be one file still, which mv refuses.
        rm -f -- "$file" && mv -f -- "$former" "$file"
    elif [ "$captured_existed" = 0 ]; then
        rm -f -- "$file"
    fi
}

apply() {
    sane || return
    names
    if ! same; then
        if [ "$captured_existed" = 1 ]; then
            [ -e "$former" ] || ln -- "$file" "$former" || return
            cp -p -- "$file" "$new" || return
        fi
        printf '%s\n' "$check" > "$new" && mv -f -- "$new" "$file" || return
    fi
    if ! said=$(sh -ec "
${test:-:}" 2>&1); then
        old
        printf 'the monitoring refuses it, nothing was reloaded: %s\n' "$(printf '%s' "$said" | tail -n 1)"
        return 1
    fi
    sh -ec "
${reload:-:}" || { echo "the monitoring does not reload" && return 1; }
    echo "the check is registered"
}

verify() {
    sane || return 2
    same || { echo "$file does not hold the check" && return 1; }
    until=$(($(date +%s) + ${within:-30}))
    until sh -ec "
$seen" > /dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until" ] || { echo "the monitoring does not show the check within ${within:-30} s" && return 1; }
        sleep 0.2
    done
    echo "the monitoring shows the check"
}

undo() {
    old || return
    sh -ec "
${test:-:}" || { echo "the configuration of before is broken: nothing was reloaded" && return 1; }
    sh -ec "
${reload:-:}"
}

verify_undo() {
    names
    if [ "$captured_existed" = 1 ]; then [ -f "$file" ]; else [ ! -e "$file" ]; fi && [ ! -e "$former" ] ||
        { echo "$file is not as it was" && return 1; }
    echo "$file is as it was"
}
