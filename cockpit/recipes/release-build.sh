# recipe: Build a release in a folder of its own, named by its tag; only a build that succeeds gets the name
# group: releases
# danger: low load and disk of the host; what is in use is not touched
# undo: removes the release, unless it is in use
# param: releases the folder that holds one folder per tag
# param: tag letters, digits and . _ + @ ~ -; a tag is never used for another build
# param: build shell text, run in an empty folder with $tag and $release (where it will lie); it stops at the first error
# param: current the link to the release in use, default `current` beside the folder of releases
# param: check shell text, run inside the built release, that succeeds when it is good (optional)
# needs: find sha256sum readlink
# shellcheck shell=sh disable=SC2154

sane() {
    # Names what is wrong before anything is changed.
    case $tag in
        "" | .* | -* | *[!A-Za-z0-9._+@~-]*)
            echo "this tag is no name for a release: letters, digits and . _ + @ ~ - only"
            return 1
            ;;
    esac
    case $releases in
        *"
"*) echo "the folder of releases is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the folder of releases is no absolute path: $releases"; return 1 ;;
    esac
    release=$releases/$tag work=$releases/.$tag.building gone=$releases/.$tag.removing
    link=${current:-$(dirname "$releases")/current}
    build_sum=$(printf '%s' "$build" | sha256sum) || return 2
    build_sum=${build_sum%% *}
}

pointed() {
    readlink "$link" || echo nothing
}

listed() {
    # One line a file and a link of the folder $1, with what is in it.
    (cd "$1" && {
        find . ! -path ./.built -type f -exec sha256sum {} +
        # shellcheck disable=SC2016
        find . -type l -exec sh -c 'for l; do printf "link  %s -> %s\n" "$l" "$(readlink "$l")"; done' sh {} +
    } | LC_ALL=C sort)
}

built() {
    # 0: this build is there; 1: nothing has the name; 2: something else has it.
    [ -e "$release" ] || [ -L "$release" ] || return 1
    [ "$(sed -n 's/^build //p' "$release/.built" 2> /dev/null)" = "$build_sum" ] && return 0
    echo "$release is there and is not of this build: a tag is never used again, take another"
    return 2
}

probe() {
    sane || return 2
    built
}

capture() {
    sane || return
    if [ -d "$releases" ]; then echo "folder=there"; else echo "folder=absent"; fi
    if [ -e "$release" ]; then echo "release=there"; else echo "release=absent"; fi
}

clear_up() {
    for left in "$work" "$gone"; do
        [ -e "$left" ] || continue
        chmod -R u+w "$left" 2> /dev/null
        rm -rf "$left" || return
    done
}

apply() {
    sane || return
    clear_up || return
    built && echo "$tag is built already" && return
    [ ! -e "$release" ] || return 1
    before=$(pointed)
    if ! { [ -d "$releases" ] || mkdir "$releases"; } || ! mkdir "$work"; then
        echo "there is no room for $tag in $releases; $link points to $before as before: no user impact"
        return 1
    fi
    # A text that begins with a dash is no option, and one of several lines stops at its first error.
    (cd "$work" && export release tag && sh -ec "
$build") < /dev/null 2>&1
    status=$?
    if [ "$(pointed)" != "$before" ]; then
        clear_up
        echo "the build itself turned $link from $before to $(pointed): look at once"
        return 1
    fi
    if [ "$status" = 0 ] && [ -z "$(ls -A "$work")" ]; then
        status="nothing built"
    fi
    if [ "$status" != 0 ]; then
        clear_up
        echo "the build of $tag ended with $status; $link points to $before as before: no user impact"
        return 1
    fi
    list=$(listed "$work") || return
    printf 'tag %s\nbuild %s\nat %s\n%s\n' "$tag" "$build_sum" "$(date +%s)" "$list" > "$work/.built" || return
    mv "$work" "$release" && echo "$tag is built, $(find "$release" -type f | wc -l | tr -d ' ') files; $link points to $before as before"
}

verify() {
    # What lies there is what was built, file by file; and its own check passes.
    sane || return 2
    built || return
    now=$(listed "$release") || return 2
    lost=$(printf '%s\n' "$now" | awk 'FILENAME == "-" { now[$0]; next } /^(tag|build|at) / { next } !($0 in now)' - "$release/.built") || return 2
    if [ -n "$lost" ]; then
        echo "$tag is not what was built: $(printf '%s\n' "$lost" | head -n 1 | sed 's/^[^ ]*  //') was changed or is gone"
        return 1
    fi
    if [ -n "${check-}" ]; then
        said=$(cd "$release" && sh -ec "
$check" < /dev/null 2>&1) || {
            echo "$tag is whole, but its check fails: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    echo "$tag is there, each file as it was built"
}

undo() {
    sane || return
    clear_up || return
    if [ "${captured_release:-there}" = absent ] && [ -e "$release" ]; then
        if [ "$(readlink -f "$link")" = "$(readlink -f "$release")" ]; then
            echo "$link points to $tag: switch back first"
            return 1
        fi
        mv "$release" "$gone" && clear_up || return
    fi
    if [ "${captured_folder:-there}" = absent ] && [ -d "$releases" ]; then rmdir "$releases" || return; fi
    echo "$tag is removed, $link points to $(pointed)"
}

verify_undo() {
    sane || return 2
    for left in "$release" "$work" "$gone"; do
        if [ "${captured_release:-there}" = absent ] && [ -e "$left" ]; then
            echo "$left is still there"
            return 1
        fi
    done
    echo "nothing of $tag is left"
}
