# recipe: Freeze a tree by taking its write bits, with exceptions; the modes of before are kept in a file and restored exactly
# group: files
# danger: high whoever writes there is refused; root is not
# undo: gives each path the mode it had
# param: path the folder to freeze
# param: except paths inside that stay writable, one a line (optional)
# param: store the file to keep the modes of before in, outside the tree; default PATH.modes-before-freeze
# param: user who writes there, for the proof; default the owner of the folder
# needs: find stat awk su
# shellcheck shell=sh disable=SC2154

sane() {
    case $path${store-} in
        *"
"*) echo "the path is named over two lines"; return 1 ;;
    esac
    case $path in
        / | //) echo "the root of the file system is not frozen like that"; return 1 ;;
        /*) ;;
        *) echo "this is no absolute path: $path"; return 1 ;;
    esac
    if [ ! -d "$path" ] || ! at=$(readlink -f -- "$path"); then
        echo "$path is no folder"
        return 1
    fi
    kept=${store:-$at.modes-before-freeze}
    case $kept in
        "$at"/*) echo "the modes of before cannot be kept inside the tree"; return 1 ;;
        /*) ;;
        *) echo "the file for the modes is no absolute path: $kept"; return 1 ;;
    esac
    who=${user:-$(stat -c %U "$at")}
    if ! id -u -- "$who" > /dev/null 2>&1; then
        echo "there is no user $who"
        return 1
    fi
    while IFS= read -r open; do
        [ -n "$open" ] || continue
        case $open in "$at"/* | [!/]*) ;; *) echo "what is to stay writable does not lie in $at: $open"; return 1 ;; esac
    done << END
${except-}
END
}

tree() {
    # find over the tree without the exceptions; what follows are its tests.
    set -- -o "$@"
    while IFS= read -r open; do
        [ -n "$open" ] || continue
        case $open in /*) ;; *) open=$at/$open ;; esac
        set -- -o -path "$(printf '%s' "${open%/}" | sed 's/[][*?\\]/\\&/g')" -prune "$@"
    done << END
${except-}
END
    shift
    find "$at" "$@"
}

writable() {
    # A link has no mode of its own.
    tree ! -type l -perm /222 "$@"
}

probe() {
    sane || return 2
    [ -r "$kept" ] && [ -z "$(writable -print | head -n 1)" ]
}

capture() {
    sane || return
    if [ -e "$kept" ]; then
        echo "$kept is there: another freeze keeps its modes in it"
        return 1
    fi
    strange=$(tree -name '*
*' -print | head -n 1)
    if [ -n "$strange" ]; then
        echo "a name of two lines cannot be written down: $strange…"
        return 1
    fi
    echo "modes=$(tree ! -type l -exec stat -c '%a %n' {} + | LC_ALL=C sort | sha256sum | cut -d ' ' -f 1)"
}

marked() {
    # MODE FILESYSTEM:INODE:OWNER NAME of each path, `.` for the file system of the tree, whose number a restart may change.
    writable -exec stat -c '%a %d:%i:%u %n' {} + | sed "s/^\([0-7]* \)$(stat -c %d "$at"):/\1.:/"
}

pass() {
    # Modes are on the disk before any of them is taken.
    rm -f "$kept.new" || return
    [ -e "$kept" ] || (umask 077 && : > "$kept") || return
    (umask 077 && marked | kept=$kept awk '
        BEGIN { while ((getline line < ENVIRON["kept"]) > 0) { print line; sub(/^[0-7]* /, "", line); known[line] } }
        { path = $0; sub(/^[0-7]* /, "", path); if (!(path in known)) print }' > "$kept.new") && mv "$kept.new" "$kept" || return
    writable -exec chmod a-w {} +
}

apply() {
    sane || return
    tries=0
    # What appeared during one pass is caught by the next.
    while :; do
        pass || return
        tries=$((tries + 1))
        [ -n "$(writable -print | head -n 1)" ] || break
        if [ "$tries" -ge 5 ]; then
            echo "writable paths keep appearing: $(writable -print | head -n 1)"
            return 1
        fi
    done
    echo "write bits taken from $(wc -l < "$kept" | tr -d ' ') paths in $at; root is not stopped by that"
}

tries_to_write() {
    # Whether that user can make a file in the folder.
    export at
    # shellcheck disable=SC2016
    su -s /bin/sh "$who" -c 'mkdir "$at/.cockpit-freeze" 2> /dev/null && rmdir "$at/.cockpit-freeze"' < /dev/null
}

verify() {
    sane || return 2
    left=$(writable -print | head -n 1)
    if [ -n "$left" ]; then
        echo "this can still be written: $left"
        return 1
    fi
    if [ "$(id -u -- "$who")" != 0 ] && tries_to_write; then
        echo "$who can still write in $at"
        return 1
    fi
    # A file that is open stays open.
    # shellcheck disable=SC2012
    held=$(ls -l /proc/[0-9]*/fd 2> /dev/null | at=$at awk '
        /^\/proc\// { split($0, word, "/"); next }
        { to = substr($0, index($0, " -> ") + 4) }
        $1 ~ /^l.w/ && index(to, ENVIRON["at"] "/") == 1 { print word[3] " " to }')
    frozen=$(tree -type f -print)
    held=$(printf '%s\n' "$frozen" | held=$held awk '
        { frozen[$0] }
        END { n = split(ENVIRON["held"], all, "\n")
              for (i = 1; i <= n; i++) { name = all[i]; sub(/^[0-9]* /, "", name); if (name in frozen) { print all[i]; exit } } }')
    if [ -n "$held" ]; then
        echo "process ${held%% *} has ${held#* } open for writing from before: restart it"
        return 1
    fi
    if [ "$(id -u -- "$who")" = 0 ]; then
        echo "no write bit is left in $at, but its owner is root, whom modes do not stop"
    else
        echo "$who cannot write in $at, and no write bit is left; root is not stopped"
    fi
}

same() {
    # Whether $1 is still the path that was noted as $mark.
    now=$(stat -L -c %d:%i:%u -- "$1" 2> /dev/null) || return
    [ "${now%%:*}" != "$top" ] || now=.:${now#*:}
    [ "$now" = "$mark" ]
}

given() {
    # $mode to $name. Users can put a link in its place at any time, so a file is opened, and what is open is changed.
    if [ -L "$name" ]; then
        return 0
    elif [ "$me" = 0 ] && { [ -f "$name" ] || [ -d "$name" ]; }; then
        { ! same /proc/self/fd/3 || chmod -- "$mode" /proc/self/fd/3; } 3< "$name"
    elif [ -e "$name" ]; then
        (cd -P -- "${name%/*}" && name=./${name##*/} && { [ -L "$name" ] || ! same "$name" || chmod -- "$mode" "$name"; })
    fi
}

given_seven() {
    # $many to seven of `MARK NAME` at one stroke; fails where one of them is not what it was.
    [ "$me" = 0 ] && [ $# = 7 ] || return
    for one; do
        [ ! -L "${one#* }" ] && { [ -f "${one#* }" ] || [ -d "${one#* }" ]; } || return
    done
    {
        set -- "${1%% *}" "${2%% *}" "${3%% *}" "${4%% *}" "${5%% *}" "${6%% *}" "${7%% *}"
        now=$(cd /proc/self/fd && stat -L -c %d:%i:%u 3 4 5 6 7 8 9 | sed "s/^$top:/.:/") &&
            [ "$now" = "$(printf '%s\n' "$@")" ] && (cd /proc/self/fd && chmod -- "$many" 3 4 5 6 7 8 9)
    } 3< "${1#* }" 4< "${2#* }" 5< "${3#* }" 6< "${4#* }" 7< "${5#* }" 8< "${6#* }" 9< "${7#* }"
}

given_each() {
    # $many to each of `MARK NAME`. Prints what has not got it.
    if given_seven "$@" 2> /dev/null; then return; fi
    mode=$many
    for one; do
        mark=${one%% *} name=${one#* }
        given 2> /dev/null || { [ ! -e "$name" ] || printf '%s\n' "$name"; }
    done
}

given_back() {
    # Each mode to its path; what is gone, or is another file by now, is let be. Prints what has not got its mode.
    top=$(stat -c %d "$at") me=$(id -u) many=
    LC_ALL=C sort "$kept" | {
        set --
        while IFS= read -r line; do
            case ${line#* * } in "$at" | "$at"/*) ;; *) continue ;; esac
            if [ $# = 7 ] || [ "${line%% *}" != "$many" ]; then
                given_each "$@"
                set --
            fi
            many=${line%% *}
            set -- "$@" "${line#* }"
        done
        given_each "$@"
    } | awk 'NR == 1'
}

undo() {
    sane || return
    rm -f "$kept.new" || return
    if [ -e "$kept" ]; then
        if [ -L "$kept" ] || [ "$(stat -c %u "$kept")" != "$(id -u)" ]; then
            echo "$kept is not the file that was written: whose is it?"
            return 1
        fi
        wrong=$(given_back)
        if [ -n "$wrong" ]; then
            echo "this has not got its mode back: $wrong"
            return 1
        fi
        rm -f "$kept" || return
    fi
    echo "each path has the mode it had"
}

verify_undo() {
    sane || return 2
    if [ -e "$kept" ]; then
        echo "$kept is still there"
        return 1
    fi
    if [ "$(id -u -- "$who")" != 0 ] && ! tries_to_write; then
        case $(stat -c %A "$at") in
            ??w*)
                [ "$(stat -c %U "$at")" != "$who" ] || {
                    echo "$who cannot write in $at"
                    return 1
                }
                ;;
        esac
    fi
    now=$(tree ! -type l -exec stat -c '%a %n' {} + | LC_ALL=C sort | sha256sum | cut -d ' ' -f 1)
    if [ "$now" = "${captured_modes-}" ]; then
        echo "each path has the mode it had"
    else
        echo "each path has the mode it had; paths came or went since"
    fi
}
