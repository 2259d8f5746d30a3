# recipe: Compare the lists of Mailman, their members and archives with the figures of the other host
# group: mail
# danger: none
# undo: nothing to take back
# param: config its configuration file (default /etc/mailman3/mailman.cfg)
# param: archives the folder of the archives
# param: file the figures of the other host, as `mailman-figures` wrote them there
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

looked() {
    [ -s "$file" ] || { echo "there are no figures at $file" && return 2; }
    now=$(figures) || { echo "Mailman cannot be asked here" && return 2; }
    if [ "$now" = "$(cat "$file")" ]; then
        echo "$(grep -c '^list ' "$file") lists with $(grep -c '^member ' "$file") members and their archives are the same"
        return
    fi
    echo "not the same: $(printf '%s\n' "$now" | diff - "$file" | sed -n 's/^[<>]/&/p' | head -n 3 | tr '\n' ';')"
    return 1
}

apply() {
    looked
}

verify() {
    looked
}

undo() {
    return 0
}

verify_undo() {
    return 0
}
