# recipe: Force a zone from its primary to this secondary, and see by nslookup that all servers have the same serial and answers
# group: switch
# danger: low the zone is transferred anew
# undo: nothing to take back: the zone is the primary's
# param: zone the zone
# param: servers addresses of all its name servers, the primary first, separated by spaces
# param: name a name in the zone whose addresses and MX all servers must tell alike
# needs: awk nslookup rndc
# shellcheck shell=sh disable=SC2154

sane() {
    for word in "$zone" "$name"; do
        case $word in '' | [.-]* | *[!A-Za-z0-9._-]*) echo "no name: $word" && return 2 ;; esac
    done
    case $servers in *[!0-9A-Fa-f.:\ ]* | '' | ' '*) echo "no addresses: $servers" && return 2 ;; esac
}

# The serial at a server.
serial() {
    nslookup -timeout=2 -retry=1 -type=soa "$zone" "$1" 2> /dev/null | awk '$1 == "serial" { print $3; exit }'
}

# What a server says of the name: addresses and MX, in one line.
answers() {
    {
        nslookup -timeout=2 -retry=1 -type=a "$name" "$1"
        nslookup -timeout=2 -retry=1 -type=mx "$name" "$1"
    } 2> /dev/null | awk '
        $1 == "Name:" { seen = 1; next }
        seen && $1 ~ /^Address/ { print $2; seen = 0 }
        /mail exchanger = / { print $(NF - 1), $NF }' | sort | paste -s -d ';' -
}

# Whether every server has the serial of the first, in `wanted`; `odd` says which has not.
same() {
    wanted='' odd=''
    for server in $servers; do
        found=$(serial "$server")
        [ -n "$wanted" ] || wanted=$found
        [ -n "$found" ] && [ "$found" = "$wanted" ] || odd="$odd $server:${found:-none}"
    done
    [ -z "$odd" ]
}

probe() {
    # It is forced each time.
    return 1
}

capture() {
    sane && echo "serial=$(serial "${servers%% *}")"
}

apply() {
    sane || return
    said=$(rndc retransfer "$zone" 2>&1) || {
        echo "the zone cannot be transferred: $said"
        return 1
    }
    tries=0
    until same; do
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ]; then
            echo "after the transfer not all have serial $wanted:$odd"
            return 1
        fi
        sleep 0.2
    done
    echo "transferred; all have serial $wanted"
}

verify() {
    sane || return 2
    # Somebody else's change may be on its way at this moment.
    tries=0
    until same; do
        tries=$((tries + 1))
        if [ "$tries" -gt 25 ]; then
            echo "not all have serial ${wanted:-none}:$odd"
            return 1
        fi
        sleep 0.2
    done
    primary=${servers%% *}
    first=$(answers "$primary")
    for server in ${servers#"$primary"}; do
        found=$(answers "$server")
        [ "$found" = "$first" ] || {
            echo "$server tells of $name: $found, and $primary: $first"
            return 1
        }
    done
    echo "all have serial $wanted and tell of $name: ${first:-nothing}"
}

undo() {
    echo "the zone is the primary's"
}
