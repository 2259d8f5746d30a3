# recipe: See over TLS that a certificate for a name is served: right name, whole chain, days left, and its own key
# group: web
# danger: none
# undo: nothing to take back
# param: name the name that visitors ask for
# param: at address that is asked (default 127.0.0.1)
# param: port its port (default 443)
# param: days that the certificate has to be valid yet (default 14)
# param: ca file of authorities (default those of the system)
# param: certificate file on this host that has to be the one that is served (optional)
# param: key file on this host that has to belong to it (optional)
# needs: openssl timeout
# shellcheck shell=sh disable=SC2154

LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1" >&2
    exit 2
}

ready() {
    case $name${at-}${port-}${days-}${ca-}${certificate-}${key-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $name in '' | -* | *[!A-Za-z0-9._-]*) refuse "the name is no host name" ;; esac
    case ${at:-127.0.0.1} in -* | *[!A-Za-z0-9.:_-]*) refuse "the address to ask at is none" ;; esac
    case ${port:-443}${days:-14} in *[!0-9]*) refuse "port and days are numbers" ;; esac
    for file in "${ca:-/}" "${certificate:-/}" "${key:-/}"; do
        case $file in /*) ;; *) refuse "a file must be an absolute path" ;; esac
        [ -r "$file" ] || refuse "$file cannot be read"
    done
}

# The handshake: what openssl says of the chain and the name, and the certificate that was served.
served() {
    host=${at:-127.0.0.1}
    case $host in *:*) host="[$host]" ;; esac
    timeout 15 openssl s_client -connect "$host:${port:-443}" -servername "$name" -verify_hostname "$name" \
        ${ca:+-CAfile "$ca"} < /dev/null 2> /dev/null
}

# The public key of a certificate in a file, or of a private key.
public() {
    case $1 in
        certificate) openssl x509 -noout -pubkey -in "$2" ;;
        key) openssl pkey -pubout -in "$2" -passin pass: ;;
    esac 2> /dev/null
}

probe() {
    # What is served now is what counts: it is always looked at anew.
    ready
    return 1
}

capture() {
    ready
}

apply() {
    ready
    if [ -n "${certificate-}" ] && [ -n "${key-}" ] && [ "$(public certificate "$certificate")" != "$(public key "$key")" ]; then
        echo "$key is not the key of $certificate"
        return 1
    fi
    echo "the certificate of $name is only looked at"
}

verify() {
    ready
    shown=$(served)
    case $shown in
        *"BEGIN CERTIFICATE"*) ;;
        *)
            echo "nothing speaks TLS for $name at ${at:-127.0.0.1}:${port:-443}"
            return 2
            ;;
    esac
    verdict=$(printf '%s\n' "$shown" | sed -n 's/^ *Verify return code: //p' | sed -n 1p)
    end=$(printf '%s\n' "$shown" | openssl x509 -noout -enddate | sed 's/^notAfter=//')
    case $verdict in
        "0 (ok)") ;;
        *)
            echo "the certificate that is served for $name is not good: $verdict"
            return 1
            ;;
    esac
    printf '%s\n' "$shown" | openssl x509 -noout -checkend $((${days:-14} * 86400)) > /dev/null || {
        echo "the certificate of $name ends within ${days:-14} days: $end"
        return 1
    }
    mine=$(printf '%s\n' "$shown" | openssl x509 -noout -pubkey)
    if [ -n "${certificate-}" ]; then
        [ "$(openssl x509 -noout -fingerprint -sha256 -in "$certificate")" = \
            "$(printf '%s\n' "$shown" | openssl x509 -noout -fingerprint -sha256)" ] || {
            echo "another certificate than $certificate is served for $name"
            return 1
        }
    fi
    if [ -n "${key-}" ] && [ "$(public key "$key")" != "$mine" ]; then
        echo "$key is not the key of the certificate that is served for $name"
        return 1
    fi
    echo "$name is served with a good certificate until $end"
}

undo() {
    # It only looked.
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
