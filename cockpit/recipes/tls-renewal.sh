# recipe: Try the renewal of a certificate without renewing it, and see that something runs it by itself
# group: web
# danger: none
# undo: nothing to take back
# param: name the name whose certificate is renewed
# param: command shell text that tries it, `$name` is the name (default `certbot renew --dry-run --cert-name NAME`)
# param: schedule shell text that says whether it runs by itself (default a systemd timer or a cron job of certbot or acme.sh)
# needs: grep
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin:/snap/bin
LC_ALL=C
export LC_ALL

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

asked() {
    # A text of several lines stops at its first error; one that begins with a dash is no option.
    name=$name sh -ec "
$1" < /dev/null
}

ready() {
    case $name in '' | -* | *[!A-Za-z0-9._-]*) refuse "the name is no host name" ;; esac
    if [ -z "${command-}" ]; then
        # shellcheck disable=SC2016  # it is text for a shell of its own
        if command -v certbot > /dev/null; then
            command='certbot renew --dry-run --cert-name "$name"'
        else
            refuse "certbot is not here, and no command is given (acme.sh cannot try without renewing)"
        fi
    fi
}

probe() {
    # It is a test: it is always made anew.
    ready
    return 1
}

capture() {
    ready
}

apply() {
    ready
    said=$(asked "$command" 2>&1) || {
        echo "the renewal of $name fails: $(printf '%s\n' "$said" | grep . | tail -n 1)"
        return 1
    }
    echo "the renewal of $name works: $(printf '%s\n' "$said" | grep . | tail -n 1)"
}

# Something that will renew it when nobody thinks of it any more.
scheduled() {
    if [ -n "${schedule-}" ]; then
        asked "$schedule" > /dev/null 2>&1 && echo "what was asked for"
        return
    fi
    if command -v systemctl > /dev/null && systemctl list-timers --all 2> /dev/null | grep -q -e certbot -e acme; then
        echo "a systemd timer"
        return
    fi
    for table in /etc/crontab /etc/cron.d/* /etc/cron.daily/* /var/spool/cron/root /var/spool/cron/crontabs/root; do
        if [ -f "$table" ] && grep -v '^ *#' "$table" | grep -q -e certbot -e 'acme\.sh'; then
            echo "$table"
            return
        fi
    done
    return 1
}

verify() {
    ready
    by=$(scheduled) || {
        echo "nothing renews the certificate of $name by itself: no timer and no cron job"
        return 1
    }
    echo "the renewal of $name was tried, and $by runs it by itself"
}

undo() {
    # Nothing was renewed.
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
