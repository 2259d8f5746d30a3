# recipe: Log in over SSH as a user with a key, and see whom and where the host takes him for
# group: files
# danger: none
# undo: nothing to take back: it only logs in
# param: user who logs in
# param: key the file of the private key, on this host
# param: host where to, default this host itself
# param: port default 22
# param: host_key the host's public key as `type text`; default what this login's known_hosts says
# param: home the home that he must find himself in; default what the host says of him
# needs: ssh cksum
# shellcheck shell=sh disable=SC2154

sane() {
    case $user in
        "" | -* | *[!A-Za-z0-9._@+\\$-]*) echo "this is no name of a user"; return 1 ;;
    esac
    case ${host:-127.0.0.1} in
        -* | *[!A-Za-z0-9.:_-]*) echo "this is no name or address of a host"; return 1 ;;
    esac
    case ${port:-22} in
        *[!0-9]*) echo "this is no port"; return 1 ;;
    esac
    case ${host_key-} in
        *"
"*) echo "the host key is one line"; return 1 ;;
    esac
    if [ ! -r "$key" ] || [ ! -f "$key" ]; then
        echo "there is no key at $key"
        return 1
    fi
}

known() {
    # The file of the host key, one for each process that looks.
    known=$HOME/.cockpit-login-$(printf '%s\n' "$user" "$key" "${host-}" "${port-}" | cksum | tr ' ' -)
}

left() {
    # Files of those that were cut off: the next look, or undo, removes them. Who has ended works nowhere.
    known
    for file in "$known".*; do
        if [ -e "$file" ] && [ ! -e "/proc/${file##*.}/cwd/." ]; then printf '%s\n' "$file"; fi
    done
}

tidy() {
    left | while IFS= read -r file; do rm -f "$file"; done
}

logged_in() {
    # Runs $1 there as the user. All that is said is told.
    set -- -T -n -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o PreferredAuthentications=publickey \
        -o ConnectTimeout=10 -o ControlPath=none -o StrictHostKeyChecking=yes -o LogLevel=ERROR \
        -i "$key" -p "${port:-22}" -l "$user" -- "${host:-127.0.0.1}" "$1"
    if [ -z "${host_key-}" ]; then
        ssh "$@" 2>&1
        return
    fi
    tidy
    known && known=$known.$$
    case ${port:-22} in 22) name=${host:-127.0.0.1} ;; *) name="[${host:-127.0.0.1}]:$port" ;; esac
    (umask 077 && printf '%s %s\n' "$name" "$host_key" > "$known") || return 2
    ssh -o UserKnownHostsFile="\"$known\"" -o GlobalKnownHostsFile=none "$@" 2>&1
    status=$?
    rm -f "$known"
    return "$status"
}

probe() {
    # A login is tried anew each time.
    return 1
}

capture() {
    echo "looked=1"
}

apply() {
    sane || return
    said=$(logged_in "echo in")
    case $said in
        *in) echo "$user logged in" ;;
        *)
            echo "$user cannot log in: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
            ;;
    esac
}

verify() {
    sane || return 2
    # shellcheck disable=SC2016
    said=$(logged_in 'echo "user=$(id -un)"; echo "home=$HOME"; cd && echo "cwd=$(pwd)"')
    status=$?
    got=$(printf '%s\n' "$said" | sed -n 's/^user=//p')
    place=$(printf '%s\n' "$said" | sed -n 's/^cwd=//p')
    wanted=${home:-$(printf '%s\n' "$said" | sed -n 's/^home=//p')}
    if [ -z "$got" ]; then
        echo "$user cannot log in: $(printf '%s\n' "$said" | tail -n 1)"
        case $said in *"onnection"* | *"o route"* | *"esolve"*) return 2 ;; esac
        return 1
    fi
    if [ "$got" != "$user" ] || [ "$status" != 0 ] || [ "$place" != "$wanted" ]; then
        echo "$user logs in as $got and stands in ${place:-no home}, not in $wanted"
        return 1
    fi
    echo "$user logs in with that key and stands in $place"
}

undo() {
    # It only logged in.
    tidy
}

verify_undo() {
    [ -z "$(left)" ]
}
