# recipe: Let a user bring a file to another host by scp, read it, and remove it again
# group: files
# danger: low a file is in the home there for a moment
# undo: removes the file, if it was left there
# param: user who logs in
# param: key the file of the private key, on this host
# param: host where to
# param: host_key the host's public key as `type text`
# needs: cksum cmp scp ssh
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

# Where the file is here and there: of this name in both homes, with the number of the process that tries behind it.
placed() {
    name=.cockpit-scp-$(printf '%s\n' "$user" "$key" "$host" | cksum | tr ' ' -)
    work=$HOME/$name
}

# Whether a try that was cut off has left this folder. Who has ended works nowhere, even while it waits to be buried.
abandoned() {
    [ -e "$1" ] && [ ! -e "/proc/${1##*.}/cwd/." ]
}

# Removes what such tries have left, here and there. The folder stays while the file may be there.
tidied() {
    placed
    status=0
    for work in "$work".*; do
        abandoned "$work" || continue
        name=${work##*/}
        if [ ! -e "$work/file" ] || over removed; then rm -rf "$work"; else status=1; fi
    done
    placed
    return "$status"
}

# Calls $1 with the options of ssh and scp.
over() {
    printf '%s %s\n' "$host" "$host_key" > "$work/known" || return
    "$1" -q -i "$key" -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=yes \
        -o UserKnownHostsFile="\"$work/known\"" -o GlobalKnownHostsFile=none -o ConnectTimeout=10 -o LogLevel=ERROR
}

there_and_back() {
    said=$(ssh "$@" -n "$user@$host" true 2>&1) && brought=1 &&
        said=$(scp "$@" "$work/file" "$user@$host:$name" 2>&1) && said=$(scp "$@" "$user@$host:$name" "$work/back" 2>&1) &&
        said=$(ssh "$@" -n "$user@$host" "echo changed >> $name && rm $name" 2>&1) && cmp -s "$work/file" "$work/back"
}

removed() {
    ssh "$@" -n "$user@$host" "rm -f $name"
}

# Brings a file over and back, and compares.
tried() {
    tidied > /dev/null 2>&1
    name=$name.$$ work=$work.$$ brought=
    rm -rf "$work" && mkdir -m 700 "$work" && date > "$work/file" || return 2
    over there_and_back
    status=$?
    # Our folder stays while the file may be there.
    if [ "$status" = 0 ] || over removed > /dev/null 2>&1 || [ -z "$brought" ]; then rm -rf "$work"; fi
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
    if ! tidied; then
        echo "$name.* may be left in the home of $user on $host, who cannot log in there: remove it, and $work.* here"
        return 1
    fi
    echo "nothing is left of it"
}

verify_undo() {
    placed
    for folder in "$work".*; do
        if abandoned "$folder"; then return 1; fi
    done
}
