# recipe: Put up a maintenance page for one site by its flag file
# group: lab
# danger: high visitors see the page
# undo: restores the flag, or removes it
# param: flag the flag file; while it is there the web server answers 503 with its text
# param: page one line that visitors read
# param: check URL of the site on this host
# param: name the site's real name, sent as Host
# needs: curl
# shellcheck shell=sh disable=SC2154

probe() {
    [ -f "$flag" ] && [ "$(cat "$flag")" = "$page" ]
}

capture() {
    if [ -f "$flag" ]; then
        echo "present=1"
        printf 'page=%s\n' "$(head -n 1 "$flag")"
    else
        echo "present=0"
    fi
}

apply() {
    mkdir -p "$(dirname "$flag")" || return
    printf '%s\n' "$page" > "$flag.new" && mv "$flag.new" "$flag" && echo "the page is up: $page"
}

verify() {
    body=$(curl -sS -m 5 -H "Host: $name" "$check") || return 2
    case $body in
        *"$page"*) echo "$name shows the page here" ;;
        *)
            echo "$name does not show the page here"
            return 1
            ;;
    esac
}

undo() {
    rm -f "$flag.new"
    if [ "${captured_present:-0}" = 1 ]; then
        printf '%s\n' "$captured_page" > "$flag.new" && mv "$flag.new" "$flag"
    else
        rm -f "$flag"
    fi
}

verify_undo() {
    [ "${captured_page-}" != "$page" ] || return 0
    body=$(curl -sS -m 5 -H "Host: $name" "$check") || return 2
    case $body in
        *"$page"*)
            echo "$name still shows the page here"
            return 1
            ;;
        *) echo "$name shows the page no more" ;;
    esac
}
