# recipe: Switch `current` to a release at one stroke, if and only if its build succeeded; undone, back to the recorded one
# group: releases
# danger: high users get the other release
# undo: switches back to the release that was recorded, and restarts again
# param: releases the folder that holds one folder per tag, as release-build makes it
# param: tag the release to switch to
# param: current the link to the release in use, default `current` beside the folder of releases
# param: restart shell text that restarts what runs out of `current`; run after the switch, and after its undo (optional)
# param: check shell text, with $tag, that succeeds when users get the release (optional)
# needs: readlink mv
# shellcheck shell=sh disable=SC2154

sane() {
    case $tag in
        "" | .* | -* | *[!A-Za-z0-9._+@~-]*)
            echo "this tag is no name of a release: letters, digits and . _ + @ ~ - only"
            return 1
            ;;
    esac
    case $releases in
        *"
"*) echo "the folder of releases is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the folder of releases is no absolute path: $releases"; return 1 ;;
    esac
    release=$releases/$tag link=${current:-$(dirname "$releases")/current} record=$releases/.previous mark=$releases/.restarted
    case $link in
        */*) [ -d "${link%/*}/" ] || { echo "there is no folder for $link"; return 1; } ;;
    esac
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        echo "$link is no link: move what is there into a release first"
        return 1
    fi
}

points() {
    [ -L "$link" ] && [ "$(readlink -f "$link")" = "$(readlink -f "$release")" ]
}

point() {
    # Renaming over a link is one act: there is no moment without it.
    rm -f "$1.switching" && ln -s "$2" "$1.switching" && mv -fT "$1.switching" "$1"
}

restarted() {
    [ -n "${restart-}" ] || return 0
    rm -f "$mark" || return
    (export tag && sh -ec "
$restart") < /dev/null 2>&1 || {
        status=$?
        echo "$link points to $(readlink "$link"), but the restart ended with $status"
        return 1
    }
}

marked() {
    # The release that the restart has succeeded with, since the link leads to it.
    head -n 1 "$mark" 2> /dev/null
}

probe() {
    sane || return 2
    # A release that the link leads to is not in use before what runs was restarted.
    points && { [ -z "${restart-}" ] || [ "$(marked)" = "$tag" ]; }
}

capture() {
    sane || return
    if [ -L "$link" ]; then printf 'was=%s\n' "$(readlink "$link")"; else echo "was="; fi
    if [ -L "$record" ]; then printf 'recorded=%s\n' "$(readlink "$record")"; else echo "recorded="; fi
    printf 'marked=%s\n' "$(marked)"
}

apply() {
    sane || return
    if ! grep -q '^build ' "$release/.built" 2> /dev/null; then
        echo "$tag is not built; $link points to $(readlink "$link" || echo nothing) as before: no user impact"
        return 1
    fi
    if ! points; then
        rm -f "$mark" || return
        # Which release to keep and to go back to is what stood here, not the last but one by its date.
        if [ -L "$link" ]; then point "$record" "$(readlink "$link")" || return; fi
        point "$link" "$release" || return
    fi
    restarted || return
    if [ -n "${restart-}" ]; then printf '%s\n' "$tag" > "$mark" || return; fi
    echo "$link points to $tag, before to ${captured_was:-nothing}"
}

verify() {
    sane || return 2
    # Through the link, as its users go.
    seen=$(sed -n 's/^tag //p' "$link/.built" 2> /dev/null)
    if [ "$seen" != "$tag" ]; then
        echo "through $link one finds ${seen:-no release}, not $tag"
        return 1
    fi
    if [ -n "${check-}" ]; then
        said=$(export tag && sh -ec "
$check" < /dev/null 2>&1) || {
            echo "$link points to $tag, but users do not get it: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    echo "through $link one finds $tag"
}

undo() {
    sane || return
    rm -f "$link.switching" "$record.switching" "$mark" || return
    if [ -n "${captured_was-}" ]; then
        case $captured_was in /*) old=$captured_was ;; *) old=$(dirname "$link")/$captured_was ;; esac
        if [ ! -d "$old" ]; then
            echo "the recorded release $captured_was is gone: $link stays at $(readlink "$link")"
            return 1
        fi
        [ "$(readlink "$link")" = "$captured_was" ] || point "$link" "$captured_was" || return
    elif [ -L "$link" ]; then
        rm "$link" || return
    fi
    if [ -n "${captured_recorded-}" ]; then
        [ "$(readlink "$record")" = "$captured_recorded" ] || point "$record" "$captured_recorded" || return
    else
        rm -f "$record" || return
    fi
    restarted || return
    if [ -n "${captured_marked-}" ]; then printf '%s\n' "$captured_marked" > "$mark" || return; fi
    echo "$link points to ${captured_was:-nothing} again"
}

verify_undo() {
    sane || return 2
    if [ "$(readlink "$link")" != "${captured_was-}" ]; then
        echo "$link points to $(readlink "$link" || echo nothing), not to ${captured_was:-nothing}"
        return 1
    fi
    if [ -n "${captured_was-}" ] && [ ! -d "$link/" ]; then
        echo "$link leads nowhere"
        return 1
    fi
    echo "$link points to ${captured_was:-nothing} again"
}
