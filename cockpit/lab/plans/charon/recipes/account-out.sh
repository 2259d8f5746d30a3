# recipe: Write an account of this lab host down, with its keys, for another host
# group: lab
# danger: low it writes one file, that only its owner may read
# undo: removes the file
# param: user whose account
# param: file the file to write, in a folder of its own; only its owner may read it
# needs: cmp
# shellcheck shell=sh disable=SC2154

taken() {
    sed -n "s/^$user /account $user /p" "etc/accounts/$user" && sed 's/^/key /' "home/$user/.ssh/authorized_keys"
}

probe() {
    [ -f "$file" ] && taken | cmp -s - "$file"
}

capture() {
    if [ -e "$file" ]; then echo "was=there"; else echo "was=absent"; fi
}

apply() {
    (umask 077 && mkdir -p "$(dirname "$file")" && taken > "$file.new") && mv "$file.new" "$file" && echo "$user is written down"
}

verify() {
    taken | cmp -s - "$file" && echo "$(grep -c '^key ' "$file") keys of $user are written down"
}

undo() {
    rm -f "$file.new"
    if [ "${captured_was-}" = absent ]; then
        rm -f "$file" && { [ ! -d "$(dirname "$file")" ] || rmdir "$(dirname "$file")"; } || return
    fi
    echo "the file is as before"
}

verify_undo() {
    [ "${captured_was-}" = there ] || [ ! -e "$file" ]
}
