# recipe: Drill: go back to the recorded release by release-switch's own undo, see that users get it, and go forward again
# group: lab
# danger: high users get the earlier release for a moment
# undo: nothing to take back: the release is in use again
# param: recipe the file of the recipe release-switch on this host
# param: releases the folder that holds one folder per tag
# param: tag the release that is in use
# param: client passed on to the shell texts as $client
# param: restart passed on to the recipe: shell text that restarts what runs out of `current`
# param: check passed on to the recipe: shell text, with $tag, that succeeds when users get the release
# needs: readlink
# shellcheck shell=sh disable=SC2154,SC2030,SC2031

probe() {
    # It is drilled anew each time.
    return 1
}

capture() {
    [ -L "$releases/.previous" ] || { echo "no release is recorded to go back to" >&2 && return 1; }
    printf 'was=%s\n' "$(readlink "$releases/.previous")"
}

back() (
    # shellcheck disable=SC1090
    . "$recipe"
    captured_recorded=''
    export captured_was captured_recorded
    undo && verify_undo || return
    tag=${captured_was##*/}
    verify
)

forth() (
    # shellcheck disable=SC1090
    . "$recipe"
    apply && verify
)

apply() {
    back || {
        status=$?
        forth
        return "$status"
    }
    forth
}

verify() (
    # shellcheck disable=SC1090
    . "$recipe"
    # Not this function but the recipe's.
    verify && [ "$(readlink "$releases/.previous")" = "${captured_was-}" ] && echo "users get $tag, and ${captured_was##*/} is the one to go back to"
)

undo() {
    echo "nothing to take back"
}

verify_undo() {
    forth_again=$(back_in_use) && echo "$forth_again is in use"
}

back_in_use() {
    seen=$(sed -n 's/^tag //p' "$(dirname "$releases")/current/.built") && [ "$seen" = "$tag" ] && printf '%s\n' "$seen"
}
