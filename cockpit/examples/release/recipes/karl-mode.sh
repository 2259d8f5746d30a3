# recipe: Put a client's KARL into a mode: staging reads and refuses writes, production takes them
# group: web
# danger: high the site takes writes, or stops taking them
# undo: restores the mode that was there, or removes it
# param: file the client's mode file, which the application reads with each request
# param: mode staging or production
# param: name the site's name
# param: says what the application answers at /whoami in this mode
# param: app where the application itself is asked, behind the web server and its page
# needs: curl
# shellcheck shell=sh disable=SC2154

fit() {
    case $mode in
        staging | production) ;;
        *)
            echo "no mode: $mode; nothing was changed" >&2
            exit 2
            ;;
    esac
    [ -d "$(dirname -- "$file")" ] || {
        echo "there is no folder for $file; nothing was changed" >&2
        exit 2
    }
}

# The application's own word, which it gives from the mode that it works in.
word() {
    curl -q -g -sS -m 10 --noproxy '*' -H "Host: $name" "$app/whoami" 2>&1
}

probe() {
    fit
    [ -f "$file" ] && [ "$(cat -- "$file")" = "$mode" ]
}

capture() {
    fit
    if [ -f "$file" ]; then printf 'was=%s\n' "$(cat -- "$file")"; else echo "was="; fi
}

put() {
    # As the one that was there: the application may be the only one that reads it.
    if [ -f "$file" ]; then cp -p -- "$file" "$file.new" || return; fi
    printf '%s\n' "$1" > "$file.new" && mv -- "$file.new" "$file"
}

apply() {
    fit
    put "$mode" && echo "$name is told to be in $mode mode"
}

verify() {
    fit
    said=$(word) || {
        echo "the application does not answer for $name: $said"
        return 2
    }
    echo "the application says of $name: $said"
    [ "$said" = "$says" ]
}

undo() {
    rm -f -- "$file.new"
    if [ -n "${captured_was-}" ]; then
        put "$captured_was" && echo "$name is in $captured_was mode again"
    else
        rm -f -- "$file" && echo "$name has no mode of its own again"
    fi
}

verify_undo() {
    now=''
    [ ! -f "$file" ] || now=$(cat -- "$file")
    [ "$now" = "${captured_was-}" ] || {
        echo "the mode of $name is ${now:-none}"
        return 1
    }
    echo "the application says of $name: $(word)"
}
