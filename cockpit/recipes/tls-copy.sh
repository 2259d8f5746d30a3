# recipe: Put a certificate and its key in place on this host, and have the server use them
# group: web
# danger: low the name is served with the certificate of the bundle
# undo: brings the former files back, or removes ours, and reloads
# param: bundle file on this host that holds the key, the certificate and its chain in PEM
# param: certificate where the certificate with its chain goes
# param: key where the key goes, readable to its owner only
# param: name the name that the certificate has to be for
# param: reload shell text that makes the server use them, such as `nginx -s reload`
# param: test shell text that says whether the server's configuration is good, such as `nginx -t` (optional)
# param: at address to ask for the certificate over TLS (default 127.0.0.1)
# param: port its port (default 443)
# needs: awk cmp openssl timeout
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

ready() {
    case $name$bundle$certificate$key${at-}${port-} in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $name in '' | -* | *[!A-Za-z0-9._-]*) refuse "the name is no host name" ;; esac
    case ${at:-127.0.0.1} in -* | *[!A-Za-z0-9.:_-]*) refuse "the address to ask at is none" ;; esac
    case ${port:-443} in *[!0-9]*) refuse "the port is a number" ;; esac
    for path in "$bundle" "$certificate" "$key"; do
        case $path in /*[!/]) ;; *) refuse "a file must be an absolute path" ;; esac
    done
    [ "$certificate" != "$key" ] || refuse "certificate and key are one file"
    [ ! -L "$certificate" ] && [ ! -L "$key" ] || refuse "a link is not replaced: name the file that it leads to"
    # What was there is kept beside, for a key must not travel through a journal; by the certificate that was captured, so that
    # what an earlier run has kept is not taken for it.
    former=.cockpit-former-$(printf '%s' "${captured_certificate:-none}" | tr ' ' -)
    umask 077
}

chain() {
    awk '/^-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/ { on = 1 } on; /^-----END (X509 |TRUSTED )?CERTIFICATE-----/ { on = 0 }' "$bundle"
}

private() {
    awk '/^-----BEGIN .*PRIVATE KEY-----/ { on = 1 } on; /^-----END .*PRIVATE KEY-----/ { on = 0 }' "$bundle"
}

# Refuses a bundle that would take the name down.
good() {
    [ -r "$bundle" ] || refuse "$bundle cannot be read"
    chain | openssl x509 -noout 2> /dev/null || refuse "$bundle holds no certificate"
    private | openssl pkey -noout -passin pass: 2> /dev/null || refuse "$bundle holds no key that can be read without a pass phrase"
    [ "$(chain | openssl x509 -noout -pubkey)" = "$(private | openssl pkey -pubout -passin pass: 2> /dev/null)" ] ||
        refuse "the key in $bundle is not that of its certificate"
    chain | openssl x509 -noout -checkend 0 > /dev/null || refuse "the certificate in $bundle has ended"
    chain | openssl x509 -noout -checkhost "$name" | grep -q 'does match' || refuse "the certificate in $bundle is not for $name"
}

there() {
    [ -f "$certificate" ] && [ -f "$key" ] && chain | cmp -s - "$certificate" && private | cmp -s - "$key" &&
        [ "$(stat -c %a "$key")" = 600 ]
}

# What the server shows for the name, as a fingerprint.
served() {
    host=${at:-127.0.0.1}
    case $host in *:*) host="[$host]" ;; esac
    timeout 15 openssl s_client -connect "$host:${port:-443}" -servername "$name" < /dev/null 2> /dev/null |
        openssl x509 -noout -fingerprint -sha256 2> /dev/null
}

# Asks until the server shows the certificate in a file.
shows() {
    left=25
    want=$(openssl x509 -noout -fingerprint -sha256 -in "$1" 2> /dev/null)
    until seen=$(served) && [ "$seen" = "$want" ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || break
        sleep 0.1
    done
    [ -n "$seen" ] || {
        echo "nothing speaks TLS for $name at ${at:-127.0.0.1}:${port:-443}"
        return 2
    }
    [ "$seen" = "$want" ] || {
        echo "$name is served with another certificate than $1"
        return 1
    }
    echo "$name is served with $1"
}

# The operator's own texts, away from our variables.
told() {
    said=$(sh -ec "
$1" 2>&1 < /dev/null)
}

# Where what belongs to a file is kept beside it: hidden, for a server may read all that it sees in the folder.
beside() {
    hidden=${1%/*}/.${1##*/}
}

# Brings back what was there.
restore() {
    for path in "$certificate" "$key"; do
        beside "$path"
        rm -f "$hidden.cockpit-new"
        if [ -f "$hidden$former" ]; then mv "$hidden$former" "$path" || return; fi
        [ ! -f "$hidden$former-none" ] || rm -f "$path" "$hidden$former-none" || return
    done
}

probe() {
    ready
    [ -r "$bundle" ] && there && [ "$(served)" = "$(openssl x509 -noout -fingerprint -sha256 -in "$certificate")" ]
}

capture() {
    ready
    good
    for path in "$certificate" "$key"; do
        [ -d "${path%/*}/" ] || refuse "there is no folder for $path"
    done
    echo "certificate=$(cksum < "$certificate" 2> /dev/null)"
    echo "key=$([ ! -f "$key" ] || echo there)"
}

apply() {
    ready
    good
    if [ -n "${test-}" ] && ! told "$test"; then refuse "the server's configuration is broken already: $said"; fi
    if ! there; then
        for path in "$key" "$certificate"; do
            beside "$path"
            # What is kept is what was there first, whatever an apply that was cut off has done since.
            if [ ! -f "$hidden$former" ] && [ ! -f "$hidden$former-none" ]; then
                rm -f "$hidden".cockpit-former-*
            fi
            if [ -f "$hidden$former" ] || [ -f "$hidden$former-none" ]; then
                :
            elif [ -f "$path" ]; then
                cp -p "$path" "$hidden.cockpit-new" && mv "$hidden.cockpit-new" "$hidden$former" || return
            else
                : > "$hidden$former-none" || return
            fi
            if [ -f "$path" ]; then cp -p "$path" "$hidden.cockpit-new"; else : > "$hidden.cockpit-new" && chmod 644 "$hidden.cockpit-new"; fi || return
            if [ "$path" = "$key" ]; then
                chmod 600 "$hidden.cockpit-new" && private > "$hidden.cockpit-new" || return
            else
                chain > "$hidden.cockpit-new" || return
            fi
            mv "$hidden.cockpit-new" "$path" || return
        done
    fi
    if [ -n "${test-}" ] && ! told "$test"; then
        why=$said
        restore
        refuse "the server's configuration is refused with them: $why"
    fi
    told "$reload" || {
        echo "$certificate and $key are in place, but the server was not reloaded: $said"
        return 1
    }
    echo "$certificate and $key are in place"
}

verify() {
    ready
    shows "$certificate"
}

undo() {
    ready
    restore || return
    told "$reload" || {
        echo "the former files are back, but the server was not reloaded: $said"
        return 1
    }
    echo "the former files are back"
}

verify_undo() {
    ready
    [ "$(cksum < "$certificate" 2> /dev/null)" = "${captured_certificate-}" ] || {
        echo "$certificate is not what it was"
        return 1
    }
    [ "$([ ! -f "$key" ] || echo there)" = "${captured_key-}" ] || return 1
    [ -f "$certificate" ] || {
        echo "$certificate and $key are gone again"
        return
    }
    shows "$certificate"
}
