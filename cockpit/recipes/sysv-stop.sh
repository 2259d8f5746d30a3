# recipe: Stop a service of System V init and keep it from starting again with the host
# group: services
# danger: high what it serves is down
# undo: restores its links, and starts it again if it ran
# param: name the service, as in /etc/init.d
# param: port a TCP port that must be closed then (optional)
# param: process the name of its process, of which none must be left (optional)
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
        0) return 1 ;;
        2)
            echo "$name does not say whether it runs"
            return 2
            ;;
    esac
    ! at_boot
}

apply() {
    sane && ears || return
    if at_boot; then
        said=$(update-rc.d "$name" disable 2>&1) || {
            echo "its links are not changed: $(printf '%s\n' "$said" | tail -n 1)"
            return 1
        }
    fi
    service "$name" stop > /dev/null 2>&1 < /dev/null || {
        echo "$name does not stop: status $?"
        return 1
    }
    echo "$name is stopped"
}

verify() {
    sane && ears || return 2
    if [ -n "${process-}" ] && cat /proc/[0-9]*/comm 2> /dev/null | grep -qxF -e "$(printf %.15s "$process")"; then
        echo "a process $process is still there"
        return 1
    fi
    if [ -n "${port-}" ]; then
        heard=$(listener) || return 2
        [ -z "$heard" ] || {
            echo "something listens on port $port"
            return 1
        }
    fi
    running
    case $? in
        0)
            echo "$name says that it runs"
            return 1
            ;;
        2)
            echo "$name does not say whether it runs"
            return 2
            ;;
    esac
    if at_boot; then
        echo "$name is stopped, but would start with the host"
        return 1
    fi
    echo "$name is stopped${port:+, nothing listens on port $port}"
}

undo() {
    sane || return
    linked_as "${captured_links-}" || return
    if [ "${captured_running:-0}" = 1 ] && ! running; then
        service "$name" start > /dev/null 2>&1 < /dev/null || {
            echo "$name does not start: status $?"
            return 1
        }
    fi
    echo "$name is as before"
}

verify_undo() {
    sane || return 2
    if [ "$(links)" != "${captured_links-}" ]; then
        echo "its links are not as before"
        return 1
    fi
    if [ "${captured_running:-0}" = 1 ]; then
        tries=0
        while ! running || { [ -n "${port-}" ] && [ -z "$(listener)" ]; }; do
            tries=$((tries + 1))
            [ "$tries" -le 100 ] || { echo "$name does not run yet"; return 1; }
            sleep 0.2
        done
    fi
    echo "$name is as before"
}
