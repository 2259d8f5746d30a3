# recipe: See from a third host that one host alone answers at an address, connection after connection
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: from the address that this host asks from
# param: url a URL at the address that says which host answers
# param: port the port of that URL
# param: address the address
# param: says what the host that holds it answers
# needs: curl
# shellcheck shell=sh disable=SC2154

probe() {
    # Who holds it can change at any time: it is always looked at anew.
    return 1
}

ask() {
    curl -q -g -sS -f -m 5 --noproxy '*' --interface "$from" "$url" 2>&1
}

# How many sockets listen there, as Linux tells; 1 where nobody can tell.
listeners() {
    [ -r /proc/net/tcp ] || { echo 1 && return; }
    # The kernel writes addresses in the byte order of this machine, and all of them that we know are little-endian.
    hex=$(printf '%s.%s' "$address" "$port" | awk -F . '{ printf "%02X%02X%02X%02X:%04X", $4, $3, $2, $1, $5 }')
    hex=$hex awk '$2 == ENVIRON["hex"] && $4 == "0A" { n++ } END { print n + 0 }' < /proc/net/tcp
}

apply() {
    now=$(ask) || {
        echo "nobody answers at $address: $now"
        return 1
    }
    echo "$now answers at $address"
}

verify() {
    number=$(listeners)
    [ "$number" = 1 ] || {
        echo "$number hosts listen at $address"
        return 1
    }
    tries=0
    while [ "$tries" -lt 10 ]; do
        now=$(ask) || {
            echo "nobody answers at $address: $now"
            return 1
        }
        [ "$now" = "$says" ] || {
            echo "$now answers at $address, not $says"
            return 1
        }
        tries=$((tries + 1))
    done
    echo "$says alone holds $address: it answered $tries connections of $tries"
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
