# recipe: Stop the old host's services for good, once every piece of evidence is there that nobody needs them
# group: after
# danger: high the services are gone from this host
# undo: starts and enables again what ran and was enabled
# param: services what to stop and disable, one a line, in this order; a program of supervisor is `supervisor:PROGRAM`
# param: quiet log files, one a line, that nothing may have been written to of late: traffic, mail
# param: seconds for how long they must have been quiet
# param: holds shell text, one command a line, each of which must succeed: an empty queue, no session (default none)
# param: backup the evidence that `backup-restorable` wrote, brought here from where it restored
# param: checksum the backup's SHA-256, which the evidence must name (default: it need only name one)
# param: days how old that evidence may be (default 7)
# param: config supervisor's configuration; default is where supervisorctl looks for it
# param: ports TCP ports that nothing may listen on afterwards, one a line (optional)
# shellcheck shell=sh disable=SC2154

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

units() {
    [ -d /run/systemd/system ]
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

links_of() {
    (name=${1%.service} && links)
}

property() {
    systemctl show -p "$2" -- "$1" 2> /dev/null | sed -n "s/^$2=//p"
}

control() {
    supervisorctl ${config:+-c "$config"} "$@" 2> /dev/null < /dev/null
}

programs() {
    # What supervisor has in its configuration, asked once; nothing when it does not run.
    [ -n "${available+asked}" ] || available=$(control avail) || available=
}

program() {
    printf '%s\n' "$available" | one=${1#*:} awk '$1 == ENVIRON["one"] { print " " $0 " " }'
}

runs() {
    case $1 in
        supervisor:*)
            case $(control status "${1#*:}" | awk '{ print $2 }') in RUNNING | STARTING | BACKOFF | STOPPING) ;; *) return 1 ;; esac
            ;;
        *) if units; then systemctl --quiet is-active "$1"; else service "$1" status; fi > /dev/null 2>&1 < /dev/null ;;
    esac
}

starts() {
    # Whether it would start with the host. What supervisor's programs do is asked of it, and without it they do what it does.
    case $1 in
        supervisor:*)
            programs
            case $(program "$1") in
                *" auto "*) ;;
                *" manual "*) return 1 ;;
                *) known supervisor && starts supervisor ;;
            esac
            ;;
        *)
            if ! units; then
                (name=$1 && at_boot)
                return
            fi
            # What has no [Install] is started by others, and is neither enabled nor disabled.
            case $(property "$1" UnitFileState) in
                enabled | enabled-runtime) ;;
                # Made of an init script.
                generated) (name=${1%.service} && at_boot) ;;
                *) return 1 ;;
            esac
            ;;
    esac
}

known() {
    # A misspelt name neither runs nor starts. What was known is, though disabling it removed the link to its file.
    case " ${captured_was-} " in *" $1="*) return ;; esac
    case $1 in
        supervisor:*)
            # One that does not answer has no programs that run.
            programs
            [ -z "$available" ] || [ -n "$(program "$1")" ]
            ;;
        *)
            if units; then
                case $(systemctl show -p LoadState -- "$1" 2> /dev/null) in LoadState=loaded | LoadState=masked) ;; *) return 1 ;; esac
            else
                [ -x "/etc/init.d/$1" ]
            fi
            ;;
    esac
}

wakers() {
    # What starts service $1 again by itself, though it is not named: a socket, a timer, a path.
    case $1 in supervisor:*) return ;; esac
    units || return 0
    for waker in $(property "$1" TriggeredBy); do
        if ! each | grep -qxF -e "$waker" && { runs "$waker" || starts "$waker"; }; then echo "$waker"; fi
    done
}

each() {
    printf '%s\n' "$services" | grep .
}

named() {
    [ -n "$(each)" ] || { echo "no service is named" && return 1; }
    odd=$(each | grep -v '^[A-Za-z0-9][A-Za-z0-9@._:-]*$') && echo "that is no service's name: $odd" && return 1
    case $seconds${days:-7} in *[!0-9]*) echo "seconds and days are numbers" && return 1 ;; esac
    for one in $(each); do
        known "$one" || { echo "there is no service $one on this host" && return 1; }
    done
}

lacking() {
    # What is still missing, one a line.
    now=$(date +%s)
    printf '%s\n' "$quiet" | while IFS= read -r log; do
        [ -n "$log" ] || continue
        if ! at=$(stat -c %Y -- "$log" 2> /dev/null); then
            echo "$log cannot be read"
        elif [ "$((now - at))" -lt "$seconds" ]; then
            echo "$log was written to $((now - at)) s ago"
        fi
    done
    [ -n "$quiet" ] || echo "no log was named that must be quiet"
    printf '%s\n' "${holds-}" | while IFS= read -r one; do
        [ -n "$one" ] || continue
        sh -ec "
$one" > /dev/null 2>&1 < /dev/null || echo "this does not hold: $one"
    done
    for one in $(each); do
        for waker in $(wakers "$one"); do echo "$waker would start $one again: name it, too"; done
    done
    for one in $(each | grep '^supervisor:'); do
        # Its configuration is not ours to change.
        if starts "$one" && ! each | grep -qxE 'supervisord?([.]service)?'; then
            echo "supervisor would start ${one#*:} again with the host: set autostart=false and reread, or name supervisor behind it"
        fi
    done
    if [ ! -f "$backup" ]; then
        echo "there is no evidence of a restored backup: $backup"
    elif ! grep -Eqx "archive-sha256 [0-9a-f]{64}" "$backup" ||
        { [ -n "${checksum-}" ] && ! grep -Fqx -e "archive-sha256 $checksum" "$backup"; }; then
        echo "the evidence of a restored backup is of another one"
    elif grep -Fqx -e "restored-on $(hostname)" "$backup"; then
        echo "the backup was restored on this very host"
    elif [ "$((now - $(stat -c %Y -- "$backup")))" -gt "$((${days:-7} * 86400))" ]; then
        echo "the evidence of a restored backup is older than ${days:-7} days"
    fi
}

probe() {
    named || return 2
    for one in $(each); do
        if runs "$one" || starts "$one" || [ -n "$(wakers "$one")" ]; then return 1; fi
    done
}

capture() {
    named >&2 || return
    was='' number=0
    for one in $(each); do
        number=$((number + 1))
        if runs "$one"; then ran=1; else ran=0; fi
        if starts "$one"; then started=1; else started=0; fi
        was="$was $one=$ran$started"
        # Disabling a unit whose file is elsewhere removes the link that it was found by.
        case $one in supervisor:*) continue ;; esac
        if units; then
            printf 'path%s=%s\n' "$number" "$(readlink -f -- "$(property "$one" FragmentPath)")"
            printf 'state%s=%s\n' "$number" "$(property "$one" UnitFileState)"
        fi
        printf 'links%s=%s\n' "$number" "$(links_of "$one")"
    done
    printf 'was=%s\n' "${was# }"
}

ended() {
    # Service $1 stops, and does not start with the host any more.
    if ! units; then
        service "$1" stop || return
        ! starts "$1" || update-rc.d "$1" disable
        return
    fi
    # A unit is stopped while its file is known, which says how.
    systemctl stop "$1" || return
    # What was enabled for this run of the host alone, and what a generator enables each time anew, stays with the first of these.
    for how in disable "--runtime disable" mask; do
        # shellcheck disable=SC2086  # words
        ! starts "$1" || systemctl $how "$1" || return
    done
}

apply() {
    named || return
    missing=$(lacking) || return
    if [ -n "$missing" ]; then
        printf 'nothing was stopped, since %s\n' "$(printf '%s' "$missing" | tr '\n' ';' | sed 's/;/; /g')"
        return 1
    fi
    for one in $(each); do
        if ! runs "$one" && ! starts "$one"; then continue; fi
        case $one in
            supervisor:*) ! runs "$one" || control stop "${one#*:}" ;;
            *) ended "$one" ;;
        esac > /dev/null 2>&1 < /dev/null || { echo "$one does not stop" && return 1; }
    done
    echo "stopped and disabled: $(each | tr '\n' ' ')"
}

verify() {
    named || return 2
    for one in $(each); do
        if runs "$one"; then echo "$one runs" && return 1; fi
        if starts "$one"; then echo "$one would start with the host" && return 1; fi
        for waker in $(wakers "$one"); do echo "$one is stopped, but $waker starts it again" && return 1; done
    done
    unset heard
    for port in $(printf '%s\n' "${ports-}" | grep -x '[0-9]*'); do
        heard=$(ss -Hln "sport = :$port") || { echo "who listens on port $port cannot be told: ss ends with $?" && return 2; }
        [ -z "$heard" ] || { echo "something listens on port $port" && return 1; }
    done
    echo "none runs, and none would start${heard+; nothing listens on the ports that were named}"
}

started() {
    # A supervisor that was started just now answers a little later, and starts by itself what it should.
    tries=0
    until control pid || [ "$tries" -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.2
    done
    runs "supervisor:$1" || control start "$1"
}

written_down() {
    # What was captured under the name $1.
    eval "printf '%s' \"\${captured_$1-}\""
}

as_before() {
    # Service $1, the one of number $2, starts with the host as it did. Its links are not what `update-rc.d` would make of them.
    if units; then
        was=$(written_down "state$2")
        case $(property "$1" UnitFileState) in
            "$was") ;;
            masked*) systemctl unmask "$1" || return ;;
        esac
        case $was:$(property "$1" UnitFileState) in
            "$was:$was") ;;
            enabled:*) systemctl enable "$1" || return ;;
            enabled-runtime:*) systemctl --runtime enable "$1" || return ;;
        esac
    fi
    (name=${1%.service} && linked_as "$(written_down "links$2")")
}

undo() {
    # Last stopped, first started; but a socket that shall start a service has to be there before that.
    back='' number=0
    for one in $captured_was; do
        number=$((number + 1))
        case $one in *.socket=*) ;; *) back="$number:$one $back" ;; esac
    done
    number=0
    for one in $captured_was; do
        number=$((number + 1))
        case $one in *.socket=*) back="$number:$one $back" ;; esac
    done
    for one in $back; do
        number=${one%%:*} one=${one#*:}
        name=${one%=*}
        case $one in
            supervisor:*) ;;
            *)
                if units && [ "$(property "$name" LoadState)" = not-found ]; then
                    file=$(written_down "path$number")
                    systemctl --quiet link -- "$file" 2> /dev/null || { echo "the file of $name is gone: ${file:-not known}" && return 1; }
                fi
                as_before "$name" "$number" > /dev/null 2>&1 < /dev/null || { echo "$name does not start with the host as it did" && return 1; }
                ;;
        esac
        case $one in
            supervisor:*=1?) started "${name#*:}" ;;
            *=1?) runs "$name" || if units; then systemctl start "$name"; else service "$name" start; fi ;;
        esac > /dev/null 2>&1 < /dev/null || { echo "$name does not start" && return 1; }
    done
    echo "as before: $captured_was"
}

verify_undo() {
    number=0
    for one in $captured_was; do
        name=${one%=*} number=$((number + 1))
        case $one in *=1?) runs "$name" || { echo "$name does not run" && return 1; } ;; esac
        case $one in *1) starts "$name" || { echo "$name would not start with the host" && return 1; } ;; esac
        case $one in supervisor:*) continue ;; esac
        if [ "$(links_of "$name")" != "$(written_down "links$number")" ]; then
            echo "the links of $name are not as before" && return 1
        fi
        if units && [ "$(property "$name" UnitFileState)" != "$(written_down "state$number")" ]; then
            echo "$name is $(property "$name" UnitFileState), before $(written_down "state$number")" && return 1
        fi
    done
    echo "what ran runs again"
}
