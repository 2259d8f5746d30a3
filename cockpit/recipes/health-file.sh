# recipe: Flip the health file of this host, so that keepalived gives its address to another host
# group: switch
# danger: high visitors of the address are answered by another host
# undo: restores the file, and waits until this host has the address again if it had it
# param: file the file that keepalived's check reads
# param: text what the file holds afterwards (default false)
# param: gone yes: the file is removed instead (optional)
# param: address the address that this host must give up
# param: wait seconds to wait for it (default 30)
# param: ready URL at the other host that must answer before anything is flipped (optional)
# param: check URL at the address that must be answered afterwards (default http://ADDRESS/)
# needs: base64 curl ip
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

fit() {
    case $file$address${ready-}${check-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $file in /*[!/]) ;; *) refuse "the health file must be an absolute path" ;; esac
    case $address in '' | *[!0-9A-Fa-f.:]*) refuse "the address is no IP address" ;; esac
    case ${wait:-30} in *[!0-9]*) refuse "the seconds to wait must be a number" ;; esac
    case ${gone:-yes} in yes | no) ;; *) refuse "gone is yes or no" ;; esac
    [ "${gone:-no}" = no ] || [ -z "${text-}" ] || refuse "a file that is gone holds no text"
    case ${ready:-http://x} in http://?* | https://?*) ;; *) refuse "the URL at the other host is none" ;; esac
    host=$address
    case $address in *:*) host="[$address]" ;; esac
    url=${check:-http://$host/}
    case $url in http://?* | https://?*) ;; *) refuse "the URL to check is none" ;; esac
    # The real name of the URL, at the address.
    place=${url#*://}
    place=${place%%/*}
    [ -d "${file%/*}/" ] || refuse "there is no folder for $file"
    [ ! -L "$file" ] || refuse "$file is a link: name the file that it leads to"
    [ ! -d "$file" ] || refuse "$file is a folder"
    ip -o addr show > /dev/null || refuse "who holds $address cannot be told: ip ends with $?"
    new=${file%/*}/.${file##*/}.cockpit-new
}

held() {
    ip -o addr show | awk '{ sub(/\/.*/, "", $4); print $4 }' | grep -qxF -e "$address"
}

flipped() {
    if [ "${gone:-no}" = yes ]; then
        [ ! -e "$file" ]
    else
        [ -f "$file" ] && [ "$(cat "$file")" = "$(printf '%s' "${text-false}")" ]
    fi
}

# Waits until this host holds the address, or does not, and has stayed so for a number of looks: a check that was running when the
# file was put back may still take the address away for a moment.
until_held() {
    left=$((${wait:-30} * 5 + $2))
    steady=0
    while :; do
        if held; then now=yes; else now=no; fi
        if [ "$now" = "$1" ]; then steady=$((steady + 1)); else steady=0; fi
        [ "$steady" -lt "$2" ] || return 0
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.2
    done
}

ask() {
    curl -q -g -sS -k -m 5 --noproxy '*' --connect-to "::$host:" -o /dev/null -w '%{http_code}' "$url" 2>&1
}

probe() {
    fit
    flipped && ! held
}

capture() {
    fit
    if held; then echo "held=yes"; else echo "held=no"; fi
    if [ -f "$file" ]; then
        echo "owner=$(stat -c %u:%g "$file")"
        echo "mode=$(stat -c %a "$file")"
        echo "was=$(base64 < "$file" | tr -d '\n')"
    else
        echo "owner="
        echo "mode="
        echo "was="
    fi
}

apply() {
    fit
    if ! flipped; then
        if [ -n "${ready-}" ]; then
            code=$(curl -q -g -sS -k -m 5 --noproxy '*' -o /dev/null -w '%{http_code}' "$ready" 2>&1) ||
                refuse "the other host does not answer: $code"
            case $code in 2??) ;; *) refuse "the other host is not ready: $ready answers $code" ;; esac
        fi
        if [ "${gone:-no}" = yes ]; then
            rm -f "$file" || return
        else
            if [ -f "$file" ]; then cp -p "$file" "$new" || return; fi
            printf '%s\n' "${text-false}" > "$new" && mv "$new" "$file" || return
        fi
    fi
    until_held no 1 || {
        echo "the file is flipped, but this host still holds $address after ${wait:-30} s"
        return 1
    }
    echo "this host has given up $address"
}

# That nobody here holds it does not mean that somebody has it: it is asked for, and who answers is looked up.
verify() {
    fit
    ! held || {
        echo "this host still holds $address"
        return 1
    }
    left=25
    until code=$(ask) && [ "$code" -lt 500 ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            echo "this host has given up $address, but nobody answers $place there: $code"
            return 1
        }
        sleep 0.2
    done
    owner=$(ip neigh show to "$address" | sed -n 's/.* lladdr \([^ ]*\).*/\1/p' | sed -n 1p)
    echo "${owner:-a host behind a router} holds $address and answers $code"
}

undo() {
    fit
    rm -f "$new"
    if [ -n "${captured_mode-}" ]; then
        if ! printf '%s' "${captured_was-}" | base64 -d | cmp -s - "$file"; then
            ( umask 077 && printf '%s' "${captured_was-}" | base64 -d > "$new" ) || return
            chown "$captured_owner" "$new" && chmod "$captured_mode" "$new" && mv "$new" "$file" || return
        fi
    else
        rm -f "$file" || return
    fi
    [ "${captured_held-}" = yes ] || {
        echo "the file is as it was"
        return
    }
    until_held yes 10 || {
        echo "the file is as it was, but this host has not got $address back after ${wait:-30} s"
        return 1
    }
    echo "the file is as it was, and this host holds $address again"
}

verify_undo() {
    fit
    ! flipped || [ "$( (cat "$file" 2> /dev/null) | base64 | tr -d '\n')" = "${captured_was-}" ] || {
        echo "$file is still flipped"
        return 1
    }
    until_held "${captured_held-}" 1 || {
        echo "who holds $address is not as it was"
        return 1
    }
    code=$(ask) && echo "$file is as it was, and $address answers $code"
}
