# recipe: Write down the lists of Mailman with their members, and how many messages each archive holds
# group: mail
# danger: low the file holds addresses of members; only its owner may read it
# undo: removes the file
# param: config its configuration file (default /etc/mailman3/mailman.cfg)
# param: archives the folder of the archives
# param: file the file to write
# param: account the account Mailman runs as (default list)
# needs: find mailman setpriv sort
# shellcheck shell=sh disable=SC2154

manager() {
    account=${account:-list}
    (
        cd / || exit
        HOME=/ exec setpriv --reuid="$account" --regid="$(id -gn -- "$account")" --init-groups -- \
            mailman -C "${config:-/etc/mailman3/mailman.cfg}" "$@" < /dev/null
    )
}

figures() {
    # A line for each list and member, and one for each archive; in order.
    lists=$(manager lists -q) || return
    # Its columns are filled up with spaces.
    printf '%s\n' "$lists" | sed 's/ *$//' | sort | while IFS= read -r list; do
        [ -n "$list" ] || continue
        members=$(manager members "$list") || exit
        printf 'list %s\n' "$list"
        printf '%s\n' "$members" | sed 's/ *$//; s/^/member /' | sort
    done || return
    find "$archives" -type d \( -name new -o -name cur \) 2> /dev/null | sort | while IFS= read -r folder; do
        printf 'archive %s %s\n' "${folder#"$archives"/}" "$(find "$folder" -type f | wc -l | tr -d ' ')"
    done
}

probe() {
    return 1
}

capture() {
    if [ -e "$file" ]; then
        echo "there is a file $file already" >&2
        return 1
    fi
}

apply() {
    (umask 077 && figures > "$file.new") && mv "$file.new" "$file" && echo "$(grep -c '^list ' "$file") lists are written down"
}

verify() {
    now=$(figures) || return 2
    [ "$now" = "$(cat "$file")" ] || { echo "the lists are no longer as they were written down" && return 1; }
    echo "$(grep -c '^list ' "$file") lists with $(grep -c '^member ' "$file") members, as they are now"
}

undo() {
    rm -f "$file" "$file.new"
}

verify_undo() {
    [ ! -e "$file" ] && [ ! -e "$file.new" ]
}
