# recipe: Log in to the site as one of its users, as everybody has to after the switch, and be known on the next page
# group: people
# danger: low one more session
# undo: nothing to take back: the session runs out
# param: url the site's URL
# param: user who logs in
# param: password the user's password, a secret
# param: says the host that must answer, as its page says
# needs: curl
# shellcheck shell=sh disable=SC2154

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

fit() {
    case $url in http://?* | https://?*) ;; *) refuse "the URL is none" ;; esac
    case $url in *[[:space:]]*) refuse "the URL is none" ;; esac
}

probe() {
    # A login of before says nothing about now.
    fit
    return 1
}

ask() {
    curl -q -g -sS -m 10 --noproxy '*' "$@"
}

# A value as a form sends it. What is secret is no word of a command.
coded() {
    printf %s "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ \(..\)/%\1/g'
}

# Says who was known, and by whom; 1 when the site said no, 2 when it said nothing.
login() {
    got=$(printf 'name=%s&pass=%s' "$(coded "$user")" "$(coded "$password")" |
        ask -i --data-binary @- "$url/login") || {
        echo "nobody answers at $url"
        return 2
    }
    session=$(printf '%s\n' "$got" | tr -d '\r' | sed -n 's/^[Ss]et-[Cc]ookie: \(session=[A-Za-z0-9]*\).*/\1/p')
    [ -n "$session" ] || {
        echo "the login was refused: $(printf '%s\n' "$got" | sed -n 1p | tr -d '\r')"
        return 1
    }
    page=$(printf 'header = "Cookie: %s"\n' "$session" | ask -K - -i "$url/me") || {
        echo "nobody answers at $url"
        return 2
    }
    printf '%s\n' "$page" | grep -qF -e "you are $user," || {
        echo "logged in, but not known on the next page"
        return 1
    }
    printf '%s\n' "$page" | grep -qF -e "served by $says" || {
        echo "logged in, but not at $says"
        return 1
    }
    echo "the user logged in, and is known at $says"
}

apply() {
    fit
    login
}

verify() {
    fit
    login
}

undo() {
    echo "nothing to take back: the session runs out"
}

verify_undo() {
    echo "nothing was to be taken back"
}
