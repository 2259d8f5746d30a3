# recipe: Put a site into a mode (staging, production) and take its maintenance page down
# group: lab
# danger: high the site takes writes, or stops taking them
# undo: page back first, then the mode
# param: file the file that holds the mode
# param: mode the mode to set
# param: flag the site's maintenance flag, removed with the change
# param: check URL on this host that says who takes writes
# param: name the site's real name, sent as Host
# param: says what that URL must answer
# needs: curl
# shellcheck shell=sh disable=SC2154

probe() {
    [ -f "$file" ] && [ "$(cat "$file")" = "$mode" ] && [ ! -e "$flag" ]
}

capture() {
    if [ -f "$file" ]; then printf 'mode=%s\n' "$(head -n 1 "$file")"; else echo "mode="; fi
    if [ -f "$flag" ]; then printf 'page=%s\n' "$(head -n 1 "$flag")"; else echo "page="; fi
}

apply() {
    mkdir -p "$(dirname "$file")" || return
    printf '%s\n' "$mode" > "$file.new" && mv "$file.new" "$file" && rm -f "$flag" && echo "$name is in $mode mode"
}

verify() {
    body=$(curl -sS -m 5 -H "Host: $name" "$check") || return 2
    [ "$body" = "$says" ] && echo "$name says $body here" && return
    echo "$name says $body here, not $says"
    return 1
}

undo() {
    rm -f "$file.new" "$flag.new"
    # The page first: the site must not take a write between the two changes.
    if [ -n "${captured_page-}" ]; then
        printf '%s\n' "$captured_page" > "$flag.new" && mv "$flag.new" "$flag" || return
    fi
    if [ -n "${captured_mode-}" ]; then
        printf '%s\n' "$captured_mode" > "$file.new" && mv "$file.new" "$file"
    else
        rm -f "$file"
    fi
}

verify_undo() {
    body=$(curl -sS -m 5 -H "Host: $name" "$check") || return 2
    [ "$body" != "$says" ] && echo "$name says no longer $says here" && return
    echo "$name still says $says here"
    return 1
}
