# recipe: Write down all accounts of this host, with their projects and keys, for another host
# group: lab
# danger: low it writes one file, that only its owner may read
# undo: removes the file
# param: file the file to write; only its owner may read it
# needs: cmp
# shellcheck shell=sh disable=SC2154

taken() {
    for account in etc/accounts/*; do
        user=${account##*/}
        sed "s/^/account /" "$account" && sed "s/^/key $user /" "home/$user/.ssh/authorized_keys" || return
    done
}

probe() {
    [ -f "$file" ] && taken | cmp -s - "$file"
}

capture() {
    if [ -e "$file" ]; then echo "was=there"; else echo "was=absent"; fi
}

apply() {
    (umask 077 && mkdir -p "$(dirname "$file")" && taken > "$file.new") && mv "$file.new" "$file" &&
        echo "$(grep -c '^account ' "$file") accounts are written down"
}

verify() {
    # Somebody may get an account at this moment: what is written down is whole all the same.
    [ "$(grep -c '^account ' "$file")" -ge 1 ] && [ "$(grep -c '^key ' "$file")" -ge "$(grep -c '^account ' "$file")" ] || return
    echo "$(grep -c '^account ' "$file") accounts with $(grep -c '^key ' "$file") keys are written down"
}

undo() {
    rm -f "$file.new"
    [ "${captured_was-}" = there ] || rm -f "$file"
}

verify_undo() {
    [ "${captured_was-}" = there ] || [ ! -e "$file" ]
}
