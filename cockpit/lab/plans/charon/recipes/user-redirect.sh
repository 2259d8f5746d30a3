# recipe: Redirect the pages of one user at this host's main site to another host, and nobody else's
# group: lab
# danger: low visitors of these pages are sent elsewhere
# undo: shows them here again
# param: user whose pages
# param: to the other host's URL
# param: name the main site's name
# param: check this host's URL
# needs: curl
# shellcheck shell=sh disable=SC2154

file=etc/redirect/$user

asked() {
    curl -q -sS -m 5 --noproxy '*' -i -H "Host: $name" "$check$1" | tr -d '\r'
}

probe() {
    [ "$(cat "$file" 2> /dev/null)" = "$to" ]
}

capture() {
    if [ -e "$file" ]; then printf 'was=%s\n' "$(cat "$file")"; else echo "was="; fi
}

apply() {
    printf '%s\n' "$to" > "$file.new" && mv "$file.new" "$file" && echo "the pages of $user are redirected"
}

verify() {
    asked "/~$user/" | grep -qxF -e "Location: $to/~$user/" || {
        echo "/~$user/ is not redirected to $to"
        return 1
    }
    asked / | grep -q '^HTTP/[0-9.]* 200 ' || {
        echo "the main site does not answer"
        return 1
    }
    echo "/~$user/ leads to $to/~$user/, and the main site stays here"
}

undo() {
    if [ -n "${captured_was-}" ]; then printf '%s\n' "$captured_was" > "$file"; else rm -f "$file" "$file.new"; fi
}

verify_undo() {
    [ "$(cat "$file" 2> /dev/null)" = "${captured_was-}" ]
}
