# recipe: Make an account of another lab host on this one: its number, its home, its keys
# group: lab
# danger: low somebody can log in here
# undo: removes the account with its home, unless the user has put something into it
# param: user whose account
# param: file what the other host has written down
# needs: cmp
# shellcheck shell=sh disable=SC2154

home=home/$user

wanted() {
    sed -n 's/^account //p' "$file"
}

probe() {
    [ -f "$file" ] || {
        echo "there is nothing written down of $user"
        return 2
    }
    [ -d "$home" ] && [ -f "etc/accounts/$user" ] && wanted | cmp -s - "etc/accounts/$user"
}

capture() {
    if [ -e "$home" ] || [ -e "etc/accounts/$user" ]; then
        echo "there is an account $user already" >&2
        return 1
    fi
    echo "was=absent"
}

apply() {
    (umask 077 && mkdir -p etc/accounts "$home/.ssh") || return
    sed -n 's/^key //p' "$file" > "$home/.ssh/authorized_keys" && chmod 600 "$home/.ssh/authorized_keys" || return
    wanted > "etc/accounts/$user" && echo "$user can log in"
}

verify() {
    probe || {
        echo "the account is not as it is written down"
        return 1
    }
    [ "$(wc -l < "$home/.ssh/authorized_keys")" -ge 1 ] || return
    echo "$(wanted) is here, with $(wc -l < "$home/.ssh/authorized_keys" | tr -d ' ') keys"
}

undo() {
    more=$(find "$home" -type f ! -path "$home/.ssh/authorized_keys" 2> /dev/null | head -n 1)
    [ -z "$more" ] || {
        echo "the home of $user holds $more: the account stays"
        return 1
    }
    rm -rf "$home" && rm -f "etc/accounts/$user" && echo "the account is gone"
}

verify_undo() {
    [ ! -e "$home" ] && [ ! -e "etc/accounts/$user" ] && echo "there is no $user here"
}
