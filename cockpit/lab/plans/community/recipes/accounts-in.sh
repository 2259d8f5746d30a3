# recipe: Make the accounts of another host here, those that are missing: their numbers, projects, homes and keys
# group: lab
# danger: low somebody can log in here
# undo: removes the accounts that it made, with their homes
# param: file what the other host has written down
# needs: cmp
# shellcheck shell=sh disable=SC2154

# Calls $1 with user and the account's line for each.
each() {
    sed -n 's/^account //p' "$file" | while read -r user rest; do "$1" "$user" "$user $rest" || exit; done
}

same() {
    [ "$(cat "etc/accounts/$1" 2> /dev/null)" = "$2" ] && [ -d "home/$1" ]
}

probe() {
    [ -f "$file" ] || {
        echo "nothing is written down at $file"
        return 2
    }
    each same
}

missing() {
    same "$@" || printf '%s ' "$1"
}

capture() {
    printf 'made=%s\n' "$(each missing)"
}

make() {
    if same "$@"; then return; fi
    (umask 077 && mkdir -p "home/$1/.ssh") && sed -n "s/^key $1 //p" "$file" > "home/$1/.ssh/authorized_keys" &&
        chmod 600 "home/$1/.ssh/authorized_keys" && mkdir -p etc/accounts && printf '%s\n' "$2" > "etc/accounts/$1"
}

apply() {
    each make && echo "made: ${captured_made:-nobody}"
}

verify() {
    each same || {
        echo "not every account is here"
        return 1
    }
    echo "$(grep -c '^account ' "$file") accounts are here"
}

undo() {
    for user in ${captured_made-}; do
        rm -rf "home/$user" && rm -f "etc/accounts/$user" || return
    done
    echo "gone: ${captured_made:-nobody}"
}

verify_undo() {
    for user in ${captured_made-}; do
        [ ! -e "etc/accounts/$user" ] || return
    done
}
