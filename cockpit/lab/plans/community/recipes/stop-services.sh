# recipe: Stop the web server, the mail server and the jobs of this host for good, once nothing waits and a backup was restored
# group: lab
# danger: high the host answers nobody any more
# undo: starts them again
# param: backup the evidence that `backup-restorable` wrote, brought here from where it restored
# param: web this host's web server, a URL
# param: mail this host's mail server, a URL
# needs: curl mailq
# shellcheck shell=sh disable=SC2154

refused() {
    curl -q -sS -m 5 --noproxy '*' -o /dev/null "$1" 2> /dev/null
    [ $? = 7 ]
}

probe() {
    [ -e etc/off ]
}

capture() {
    if probe; then echo "was=off"; else echo "was=on"; fi
}

apply() {
    grep -Eqx 'archive-sha256 [0-9a-f]{64}' "$backup" 2> /dev/null || {
        echo "nothing was stopped, since there is no evidence of a restored backup: $backup"
        return 1
    }
    left=$(mailq | grep -c '@')
    [ "$left" = 0 ] || {
        echo "nothing was stopped, since $left messages wait here"
        return 1
    }
    : > etc/off && echo "the services are told to stop"
}

verify() {
    tries=0
    until refused "$web" && refused "$mail"; do
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || {
            echo "the services still answer"
            return 1
        }
        sleep 0.2
    done
    echo "nobody answers at $web and $mail"
}

undo() {
    if [ "${captured_was-}" = on ]; then rm -f etc/off; fi
}

verify_undo() {
    [ "${captured_was-}" = on ] || return 0
    tries=0
    while refused "$web" || refused "$mail"; do
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || {
            echo "the services do not answer again"
            return 1
        }
        sleep 0.2
    done
    echo "the services answer again"
}
