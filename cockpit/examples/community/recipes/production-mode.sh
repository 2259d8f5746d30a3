# recipe: Let a tracker take tickets: its mode file says production
# group: services
# danger: high what is written from now on is on this host only
# undo: puts the mode back as it was
# param: file the file with the mode
# param: check URL on this host that says who takes writes
# param: name the site's real name, sent as Host
# param: says what that URL must answer
# needs: curl
# shellcheck shell=sh disable=SC2154

asked() {
    curl -sS -m 5 -H "Host: $name" "$check"
}

probe() {
    [ -f "$file" ] && [ "$(cat "$file")" = production ]
}

capture() {
    if [ -f "$file" ]; then printf 'mode=%s\n' "$(head -n 1 "$file")"; else echo "mode="; fi
    if [ -d "$(dirname "$file")" ]; then echo "folder=1"; else echo "folder=0"; fi
}

apply() {
    # The server that reads it is not root.
    umask 022
    mkdir -p "$(dirname "$file")" && echo production > "$file.new" && mv "$file.new" "$file" && echo "$name is in production"
}

verify() {
    body=$(asked) || return 2
    [ "$body" = "$says" ] && echo "$name says that $body takes writes" && return
    echo "$name says $body, not $says"
    return 1
}

undo() {
    umask 022
    rm -f "$file.new"
    if [ -n "${captured_mode-}" ]; then
        printf '%s\n' "$captured_mode" > "$file.new" && mv "$file.new" "$file"
    else
        rm -f "$file"
        [ "${captured_folder-1}" = 1 ] || rmdir "$(dirname "$file")" 2> /dev/null
        :
    fi
}

verify_undo() {
    body=$(asked) || return 2
    [ "$body" != "$says" ] && echo "$name takes no writes here" && return
    echo "$name still says that $body takes writes"
    return 1
}
