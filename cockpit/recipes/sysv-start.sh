# recipe: Start a service of System V init now and with the host
# group: services
# danger: high what the service does begins here
# undo: restores its links, and stops it if it was stopped
# param: name the service, as in /etc/init.d
# param: test shell text that checks its configuration before, such as `nginx -t` (optional)
# param: port a TCP port on which it must listen then (optional)
# param: process the name of its process, of which one must be there (optional)
# param: within seconds to wait for that, default 30
# needs: service update-rc.d ss
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

sane() {
    case $name in
        "" | -* | .* | *[!A-Za-z0-9_.+-]*) echo "this is no name of a service"; return 1 ;;
    esac
    case ${port-} in
        *[!0-9]*) echo "this is no port"; return 1 ;;
    esac
    if [ ! -x "/etc/init.d/$name" ]; then
        echo "there is no /etc/init.d/$name"
        return 1
    fi
}

links() {
    # Where it stands in the order of start and stop, and LINK=TARGET for what `update-rc.d` changes of systemd along with it.
    (cd /etc && for link in rc[0-6S].d/[SK][0-9][0-9]"$name" systemd/system/*.service systemd/system/*/"$name.service"; do
        case $link:$(readlink "$link") in
            rc*:?*) printf '%s ' "$link" ;;
            *:*/"$name.service") printf '%s=%s ' "$link" "$(readlink "$link")" ;;
        esac
    done)
}

at_boot() {
    case " $(links)" in *" rc"[2345S]".d/S"*) ;; *) return 1 ;; esac
}

running() {
    # By its own answer: 0 it runs, 1 it does not, 2 it does not say. A daemon would keep an output open.
    service "$name" status > /dev/null 2>&1 < /dev/null
    case $? in
        0) return 0 ;;
        1 | 2 | 3) return 1 ;;
        *) return 2 ;;
    esac
}

linked_as() {
    # Exactly the links in $1, as they were captured.
    for link in $(links); do
        case " $1 " in *" $link "*) ;; *) rm "/etc/${link%%=*}" || return ;; esac
    done
    for link in $1; do
        place=/etc/${link%%=*} target=../init.d/$name
        case $link in *=*) target=${link#*=} ;; esac
        [ -L "$place" ] || { mkdir -p "${place%/*}" && ln -s "$target" "$place"; } || return
    done
}

ears() {
    # A port whose listeners cannot be seen is not one that nobody listens on.
    [ -z "${port-}" ] || ss -Hlnt "sport = :$port" > /dev/null || {
        echo "who listens on port $port cannot be told: ss ends with $?"
        return 1
    }
}

listener() {
    ss -Hlnt "sport = :$port"
}

capture() {
    sane && ears || return
    if running; then echo "running=1"; else echo "running=0"; fi
    printf 'links=%s\n' "$(links)"
}

probe() {
    sane && ears || return 2
    running
    case $? in
        1) return 1 ;;
        2)
            echo "$name does not say whether it runs"
            return 2
            ;;
    esac
    at_boot
}

apply() {
    sane && ears || return
    case ${within:-30} in *[!0-9]*) echo "the seconds to wait are a whole number"; return 1 ;; esac
    if [ -n "${test-}" ]; then
        said=$(sh -ec "
$test" < /dev/null 2>&1) || {
            echo "the configuration is refused, $name is not started: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    if ! running; then
        service "$name" start > /dev/null 2>&1 < /dev/null || {
            echo "$name does not start: status $?"
            return 1
        }
    fi
    if ! at_boot; then
        for how in defaults enable; do
            at_boot || said=$(update-rc.d "$name" "$how" 2>&1) || {
                echo "its links are not changed: $(printf '%s\n' "$said" | tail -n 1)"
                return 1
            }
        done
    fi
    echo "$name is started"
}

there() {
    running && { [ -z "${port-}" ] || [ -n "$(listener)" ]; } &&
        { [ -z "${process-}" ] || cat /proc/[0-9]*/comm 2> /dev/null | grep -qxF -e "$(printf %.15s "$process")"; }
}

verify() {
    sane && ears || return 2
    tries=0
    until there; do
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-30} * 5)) ]; then
            if running; then
                echo "$name says that it runs, but ${port:+port $port is not open }${process:+or no process $process is there}"
            else
                echo "$name does not run"
            fi
            return 1
        fi
        sleep 0.2
    done
    if ! at_boot; then
        echo "$name runs, but does not start with the host"
        return 1
    fi
    echo "$name runs${port:+ and listens on port $port}"
}

undo() {
    sane || return
    if [ "${captured_running:-1}" = 0 ]; then
        service "$name" stop > /dev/null 2>&1 < /dev/null || {
            echo "$name does not stop: status $?"
            return 1
        }
    fi
    linked_as "${captured_links-}" || return
    echo "$name is as before"
}

verify_undo() {
    sane || return 2
    if [ "$(links)" != "${captured_links-}" ]; then
        echo "its links are not as before"
        return 1
    fi
    if [ "${captured_running:-1}" = 0 ] && running; then
        echo "$name still runs"
        return 1
    fi
    echo "$name is as before"
}
