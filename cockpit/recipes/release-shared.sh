# recipe: Keep logs, data and sockets outside: link paths of a release to a shared folder
# group: releases
# danger: low what runs out of the release writes to the shared folder from now on
# undo: puts back what was in the release; shared data that was written to since is kept
# param: release the folder of the release
# param: shared the folder outside of all releases
# param: paths paths inside the release, one a line; a folder unless the release has a file there
# needs: readlink cp diff
# shellcheck shell=sh disable=SC2154

sane() {
    case $release$shared in
        *"
"*) echo "a folder is named over two lines"; return 1 ;;
    esac
    case $shared in /*) ;; *) echo "the shared folder is no absolute path: $shared"; return 1 ;; esac
    if ! dir=$(cd -P -- "$release" 2> /dev/null && pwd); then
        echo "there is no release at $release"
        return 1
    fi
    case $(readlink -f "$shared" || printf '%s' "$shared")/ in
        "$dir"/*) echo "$shared lies inside the release"; return 1 ;;
    esac
    bad=$(printf '%s\n' "$paths" | while IFS= read -r path; do
        case /$path/ in
            //) ;;
            */../* | */./* | *//*) echo "$path"; break ;;
        esac
    done)
    [ -z "$bad" ] || { echo "this is no path inside a release: $bad"; return 1; }
}

each() {
    # Calls $1 with the number and the path of each.
    number=0
    while IFS= read -r path; do
        [ -n "$path" ] || continue
        number=$((number + 1))
        inside=$dir/$path outside=$shared/$path aside=$dir/$path.before-shared
        "$1" || return
    done << END
$paths
END
}

linked() {
    [ -L "$inside" ] && [ "$(readlink "$inside")" = "$outside" ] && [ -e "$outside" ]
}

probe() {
    sane || return 2
    each linked
}

write_down() {
    if [ -L "$inside" ]; then
        printf 'in%s=link\nto%s=%s\n' "$number" "$number" "$(readlink "$inside")"
    elif [ -e "$inside" ]; then echo "in$number=there"; else echo "in$number=absent"; fi
    if [ -e "$outside" ] || [ -L "$outside" ]; then echo "out$number=there"; else echo "out$number=absent"; fi
}

capture() {
    sane || return
    if [ -d "$shared" ]; then echo "folder=there"; else echo "folder=absent"; fi
    # shellcheck disable=SC2329
    each write_down
}

share() {
    linked && return
    mkdir -p "$(dirname "$inside")" "$(dirname "$outside")" || return
    if [ -L "$outside" ] && [ ! -e "$outside" ]; then echo "$outside leads nowhere"; return 1; fi
    if [ ! -e "$outside" ]; then
        # What the release brings is the first content; a copy that was cut off is made anew.
        rm -rf "$outside.sharing" || return
        source=$inside
        if [ -e "$aside" ]; then source=$aside; fi
        # A link would lead elsewhere from there.
        if [ -L "$source" ] && [ -e "$source" ]; then source=$(readlink -f "$source") || return; fi
        if [ -e "$source" ]; then cp -a "$source" "$outside.sharing"; else mkdir "$outside.sharing"; fi || return
        mv -T "$outside.sharing" "$outside" || return
    fi
    if [ -e "$inside" ] && [ ! -L "$inside" ]; then
        if [ -e "$aside" ]; then echo "$aside is in the way"; return 1; fi
        mv -T "$inside" "$aside" || return
    fi
    rm -f "$inside.linking" && ln -s "$outside" "$inside.linking" && mv -fT "$inside.linking" "$inside"
}

apply() {
    sane || return
    each share || return
    echo "$number paths of $dir lead to $shared"
}

prove() {
    # A file made outside is seen inside, or the very same file is.
    if [ -d "$outside" ]; then
        token=$outside/.cockpit-shared.$$
        : > "$token" || return 2
        if [ -e "$inside/.cockpit-shared.$$" ]; then found=1; else found=0; fi
        rm -f "$token"
    elif same=$(stat -L -c %d:%i "$outside" 2> /dev/null) && [ "$(stat -L -c %d:%i "$inside" 2> /dev/null)" = "$same" ]; then found=1
    else found=0; fi
    [ "$found" = 1 ] || { echo "what is written at $outside is not seen at $inside"; return 1; }
}

verify() {
    sane || return 2
    each prove || return
    echo "what is written through $number paths of $dir lies in $shared"
}

written_down() {
    # What was captured under the name $1.
    eval "printf '%s' \"\${captured_$1-}\""
}

put_back() {
    was=$(written_down "in$number") to=$(written_down "to$number") out=$(written_down "out$number")
    rm -rf "$inside.linking" "$outside.sharing" || return
    if [ "$out" = absent ] && [ -e "$outside" ]; then
        first=$inside
        if [ -e "$aside" ]; then first=$aside; fi
        case $was:$to in
            link:/*) first=$to ;;
            link:*) first=$(dirname "$inside")/$to ;;
        esac
        if [ -d "$outside" ] && [ -z "$(ls -A "$outside")" ]; then rmdir "$outside"
        elif [ -e "$first" ] && [ "$(readlink -f "$first")" != "$(readlink -f "$outside")" ] &&
            diff -r "$first" "$outside" > /dev/null 2>&1; then rm -rf "$outside"
        else kept="$kept $outside"; fi
    fi
    case $was in
        link) [ "$(readlink "$inside")" = "$to" ] || { ln -s "$to" "$inside.linking" && mv -fT "$inside.linking" "$inside"; } ;;
        there)
            if [ -e "$aside" ]; then
                if [ -L "$inside" ]; then rm "$inside" || return; fi
                mv -T "$aside" "$inside"
            fi
            ;;
        *) if [ -L "$inside" ]; then rm "$inside"; fi ;;
    esac || return
    # Folders on the way that were made for it.
    if [ "$was" = absent ]; then (cd "$dir" && rmdir -p "$(dirname "./$path")" 2> /dev/null); fi
    (cd "$shared" 2> /dev/null && rmdir -p "$(dirname "./$path")" 2> /dev/null)
    return 0
}

undo() {
    sane || return
    kept=
    each put_back || return
    if [ "${captured_folder:-there}" = absent ] && [ -d "$shared" ]; then rmdir "$shared" 2> /dev/null; fi
    if [ -n "$kept" ]; then echo "the release is as before; written to since, and kept:$kept"; else echo "the release is as before"; fi
}

as_before() {
    was=$(written_down "in$number") to=$(written_down "to$number")
    case $was in
        link) [ "$(readlink "$inside")" = "$to" ] ;;
        there) [ -e "$inside" ] && [ ! -L "$inside" ] && [ ! -e "$aside" ] ;;
        *) [ ! -e "$inside" ] && [ ! -L "$inside" ] ;;
    esac || { echo "$inside is not as before"; return 1; }
}

verify_undo() {
    sane || return 2
    each as_before || return
    echo "$number paths of $dir are as before"
}
