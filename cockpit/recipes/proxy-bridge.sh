# recipe: Bridge one site: this host hands every request to another one
# group: lab
# danger: low visitors are answered by the other host
# undo: restores the target, or removes it
# param: flag the file that names the target; the web server forwards while it is there
# param: target where requests go, address:port
# param: check URL on this host that says which host answered
# param: name the site's real name, sent as Host
# param: says what the other host answers there
# needs: curl
# shellcheck shell=sh disable=SC2154

probe() {
    [ -f "$flag" ] && [ "$(cat "$flag")" = "$target" ]
}

capture() {
    if [ -f "$flag" ]; then printf 'target=%s\n' "$(head -n 1 "$flag")"; else echo "target="; fi
}

apply() {
    mkdir -p "$(dirname "$flag")" || return
    printf '%s\n' "$target" > "$flag.new" && mv "$flag.new" "$flag" && echo "$name goes to $target from here"
}

verify() {
    body=$(curl -sS -m 5 -H "Host: $name" "$check") || return 2
    [ "$body" = "$says" ] && echo "asked here, $body answers for $name" && return
    echo "asked here for $name, the answer is not from $says: $body"
    return 1
}

undo() {
    rm -f "$flag.new"
    if [ -n "${captured_target-}" ]; then
        printf '%s\n' "$captured_target" > "$flag.new" && mv "$flag.new" "$flag"
    else
        rm -f "$flag"
    fi
}

verify_undo() {
    body=$(curl -sS -m 5 -H "Host: $name" "$check") || return 2
    [ "$body" != "$says" ] && echo "this host answers for $name itself" && return
    echo "$says still answers for $name here"
    return 1
}
