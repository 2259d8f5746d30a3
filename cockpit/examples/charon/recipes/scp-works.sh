# recipe: Let a user bring a file to another host by scp, read it, and remove it again
# group: files
# danger: low a file is in the home there for a moment
# undo: nothing to take back: the file is removed at once
# param: user who logs in
# param: key the file of the private key, on this host
# param: host where to
# param: host_key the host's public key as `type text`
# needs: cmp scp ssh
# shellcheck shell=sh disable=SC2154

sane() {
    case $user in '' | -* | *[!A-Za-z0-9._-]*) echo "no name of a user: $user" && return 2 ;; esac
    case $host in '' | -* | *[!A-Za-z0-9.:_-]*) echo "no name or address of a host: $host" && return 2 ;; esac
    case $host_key in ssh-*\ * | ecdsa-*\ *) ;; *) echo "no host key" && return 2 ;; esac
    case $host_key in *"
"*) echo "the host key is one line" && return 2 ;; esac
    [ -f "$key" ] && return
    echo "there is no key at $key"
    return 2
}

# Brings a file over and back, and compares.
tried() {
    work=$(mktemp -d) || return 2
    printf '%s %s\n' "$host" "$host_key" > "$work/known"
    date > "$work/file"
    name=.cockpit-$$-$(date +%s)
    set -- -q -i "$key" -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=yes \
        -o UserKnownHostsFile="$work/known" -o GlobalKnownHostsFile=none -o ConnectTimeout=10 -o LogLevel=ERROR
    said=$(scp "$@" "$work/file" "$user@$host:$name" 2>&1) && said=$(scp "$@" "$user@$host:$name" "$work/back" 2>&1) &&
        said=$(ssh "$@" -n "$user@$host" "echo changed >> $name && rm $name" 2>&1) && cmp -s "$work/file" "$work/back"
    status=$?
    rm -rf "$work"
    [ "$status" = 0 ] && echo "$user brought a file to $host, changed it and removed it" && return
    echo "$user cannot modify files on $host: $(printf '%s\n' "$said" | tail -n 1)"
    return 1
}

probe() {
    # It is tried anew each time.
    return 1
}

capture() {
    sane && echo "looked=1"
}

apply() {
    sane && tried
}

verify() {
    sane || return 2
    tried
}

undo() {
    echo "nothing is left of it"
}
