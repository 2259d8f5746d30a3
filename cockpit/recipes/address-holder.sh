# recipe: See from a third host that exactly one host holds an address, and that it answers
# group: switch
# danger: none
# undo: nothing to take back
# param: address the IPv4 address, in a network that this host is in
# param: mac the hardware address of the host that has to hold it (optional)
# param: check URL at the address that must be answered (default http://ADDRESS/)
# param: says text that the answer holds (optional)
# needs: arping|python3 curl ip
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

ready() {
    case $address${mac-}${check-}${says-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $address in *[!0-9.]* | '' | .* | *.) refuse "the address is no IPv4 address" ;; esac
    case ${mac-} in *[!0-9A-Fa-f:]*) refuse "the hardware address is none" ;; esac
    url=${check:-http://$address/}
    case $url in http://?* | https://?*) ;; *) refuse "the URL to check is none" ;; esac
    device=$(ip -o route get "$address" 2> /dev/null | sed -n 's/.* dev \([^ ]*\) .*/\1/p')
    case $device in '') refuse "there is no way to $address" ;; lo) refuse "this host holds $address itself: a third one has to look" ;; esac
}

# The hardware addresses that answer for the address on its network, one a line. Everybody who believes to hold it answers.
holders() {
    if command -v arping > /dev/null; then
        arping -c 2 -w 2 -I "$device" "$address" 2> /dev/null
    else
        address=$address device=$device python3 -c 'import os, socket, struct, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind((os.environ["device"], 0))
own = s.getsockname()[4]
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.connect((os.environ["address"], 9))
here, there = (socket.inet_aton(a) for a in (probe.getsockname()[0], os.environ["address"]))
ask = b"\xff" * 6 + own + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + own + here + b"\0" * 6 + there
s.settimeout(0.1)
heard = 0
for _ in range(10):
    if heard > 1:
        break
    s.send(ask)
    end = time.monotonic() + 0.3
    heard += bool(heard)
    while time.monotonic() < end:
        try:
            got = s.recv(2048)
        except TimeoutError:
            continue
        except socket.timeout:
            continue
        if got[20:22] == b"\0\2" and got[28:32] == there:
            heard = heard or 1
            print(":".join("%02x" % b for b in got[22:28]))' 2> /dev/null
    fi | tr 'A-F' 'a-f' | grep -o '[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]' | sort -u
}

probe() {
    # Who holds it can change at any time: it is always looked at anew.
    ready
    return 1
}

capture() {
    ready
    echo "before=$(holders | tr '\n' ' ')"
}

apply() {
    ready
    echo "before, ${captured_before:-nobody }held $address"
}

verify() {
    ready
    who=$(holders)
    case $who in
        '')
            echo "nobody holds $address"
            return 1
            ;;
        *"$line"*)
            echo "more than one host holds $address: $(printf '%s' "$who" | tr '\n' ' ')"
            return 1
            ;;
    esac
    [ -z "${mac-}" ] || [ "$who" = "$(printf '%s' "$mac" | tr 'A-F' 'a-f')" ] || {
        echo "$who holds $address, not $mac"
        return 1
    }
    # What this host remembers may be older than the switch.
    ip neigh flush to "$address" dev "$device" 2> /dev/null
    got=$(curl -q -g -sS -k -m 5 --noproxy '*' --connect-to "::$address:" -i "$url" 2>&1) || {
        echo "$who holds $address, but does not answer: $got"
        return 1
    }
    first=$(printf '%s\n' "$got" | sed -n 1p | tr -d '\r')
    case $first in
        HTTP/*\ 5??*)
            echo "$who holds $address, and answers $first"
            return 1
            ;;
    esac
    [ -z "${says-}" ] || printf '%s\n' "$got" | grep -qF -e "$says" || {
        echo "$who holds $address, but does not say what it should: $first"
        return 1
    }
    echo "$who alone holds $address, and answers $first"
}

undo() {
    # It only looked.
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
