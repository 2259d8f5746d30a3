# recipe: Stop the lists of this host: their mail waits in the queue from now on
# group: lab
# danger: high messages to lists reach nobody until the lists run again
# undo: starts them again
# param: domain the domain of the lists
# needs: mailq
# shellcheck shell=sh disable=SC2154

probe() {
    [ ! -e etc/mailman/running ]
}

capture() {
    if probe; then echo "was=stopped"; else echo "was=running"; fi
}

apply() {
    rm -f etc/mailman/running
    # A message that is being delivered is delivered.
    sleep 0.5
    echo "the lists are stopped"
}

verify() {
    probe && before=$(cat srv/lists/archives/* | cksum) && sleep 0.5 && [ "$before" = "$(cat srv/lists/archives/* | cksum)" ] || {
        echo "the lists still run"
        return 1
    }
    echo "no archive grows; $(mailq | grep -c "@$domain\$") messages to lists wait in the queue"
}

undo() {
    if [ "${captured_was-}" = running ]; then : > etc/mailman/running; fi
}

verify_undo() {
    if [ "${captured_was-}" = stopped ]; then probe; else ! probe; fi
}
