# recipe: Start a game as its user, from its folder, and play a line
# group: services
# danger: low people can connect to it
# undo: shuts it down again, which saves
# param: user whose game it is
# param: folder its folder; the wizard's password is in the file `wizard` there
# param: start shell text that starts it, run in the folder as the user, with the port as $PORT
# param: port where it listens
# param: address where it listens, default 127.0.0.1
# needs: python3 readlink setsid su
# shellcheck shell=sh disable=SC2154

# --- shared by the recipes for a game ---

# Refuses what cannot be a game before anything is changed.
sane() {
    case $user in "" | [!A-Za-z_]* | *[!A-Za-z0-9._-]*) echo "no name of a user: $user" && return 2 ;; esac
    case $port in "" | *[!0-9]* | ??????*) echo "no port: $port" && return 2 ;; esac
    case $folder in /*) ;; *) echo "no absolute path: $folder" && return 2 ;; esac
    [ -d "$folder" ] && id "$user" > /dev/null 2>&1 && return
    echo "there is no game of $user in $folder"
    return 2
}

# Says the lines on standard input to the game and prints all that it answers. Status 1 when nothing listens.
talk() {
    python3 -IS -c "
import os, socket, sys
try:
    game = socket.create_connection((os.environ.get(\"address\") or \"127.0.0.1\", int(os.environ[\"port\"])), 5)
except OSError:
    sys.exit(1)
game.settimeout(10)
game.sendall(sys.stdin.buffer.read())
try:
    while chunk := game.recv(65536):
        sys.stdout.buffer.write(chunk)
except OSError:
    pass" 2> /dev/null
}

# The same as a wizard, whose password lies in the game's folder.
wizard() {
    { printf "connect wizard %s\n" "$(head -n 1 "$folder/wizard")" && cat && echo QUIT; } | talk
}

# One word of what the game says of itself: players, things, changes.
info() {
    printf "INFO\nQUIT\n" | talk | tr -d "\r" | tr " " "\n" | sed -n "s/^$1=//p" | head -n 1
}

# The processes that run out of the folder.
instances() {
    # shellcheck disable=SC2012
    ls -ld /proc/[0-9]*/cwd 2> /dev/null | at=" -> $(readlink -f "$folder")" awk '
        BEGIN { at = ENVIRON["at"] }
        substr($0, length($0) - length(at) + 1) == at { match($0, /\/proc\/[0-9]+/); print substr($0, RSTART + 6, RLENGTH - 6) }'
}

# Waits, if something runs out of the folder, until it answers: it may have been started a moment ago.
settled() {
    left=15
    while [ "$left" -gt 0 ] && [ -z "$(info things)" ] && [ -n "$(instances)" ]; do
        left=$((left - 1))
        sleep 0.2
    done
}

# A shell text as the user, in the folder.
as_user() {
    PORT=$port text=$1
    export PORT text
    if [ "$(id -un)" = "$user" ]; then
        (cd "$folder" && sh -c "$text")
    else
        (cd "$folder" && su -s /bin/sh "$user" -c "$text")
    fi
}

# Starts it and waits until it answers.
start_game() {
    # shellcheck disable=SC2016
    as_user 'mkdir -p run && { setsid sh -ec "$start" > run/out 2>&1 < /dev/null & }' || return
    left=200
    until [ -n "$(info things)" ]; do
        left=$((left - 1))
        if [ "$left" -le 0 ] || { [ "$left" -lt 196 ] && [ -z "$(instances)" ]; }; then
            echo "it did not come up on port $port: $(tail -n 1 "$folder/run/out")"
            return 1
        fi
        sleep 0.1
    done
}

# Shuts it down as a wizard, and waits until its last process is gone: the save is written by then.
stop_game() {
    said=$(echo @shutdown | wizard) || return
    left=200
    while [ -n "$(instances)" ] || [ -n "$(info things)" ]; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            echo "it does not go down: $(echo "$said" | tail -n 1)"
            return 1
        fi
        sleep 0.1
    done
}

# --- end of what is shared ---

probe() {
    sane || return 2
    [ -n "$(info things)" ] && [ -n "$(instances)" ]
}

capture() {
    sane || return
    if [ -n "$(info things)" ]; then echo "was=up"; else echo "was=down"; fi
    if [ -e "$folder/run" ]; then echo "run=there"; else echo "run=absent"; fi
}

apply() {
    sane || return
    settled
    if [ -n "$(info things)" ]; then
        echo "something answers on port $port already"
        [ -n "$(instances)" ]
        return
    fi
    other=$(instances | head -n 1)
    if [ -n "$other" ]; then
        echo "another game runs out of $folder, process $other: shut it down first, two would write one save"
        return 1
    fi
    start_game && echo "it is up on port $port"
}

verify() {
    sane || return 2
    said=$(printf 'connect cockpit\nlook\nQUIT\n' | talk) || {
        echo "nothing answers on port $port"
        return 1
    }
    seen=$(printf '%s\n' "$said" | tr -d '\r' | grep '^You see ') || {
        echo "who connects on port $port sees nothing: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
    echo "who connects on port $port is let in: $seen"
}

undo() {
    sane || return
    settled
    if [ "${captured_was-}" = up ]; then
        echo "it stays as it was, up"
        return
    fi
    told="it stays as it was, down"
    if [ -n "$(info things)$(instances)" ]; then
        stop_game || return
        told="it is saved and down"
    fi
    # What it said while it ran: where nothing was before, that would keep a folder from going that was copied here.
    if [ "${captured_run-}" = absent ]; then as_user "rm -rf run" || return; fi
    echo "$told"
}

verify_undo() {
    sane || return 2
    if [ "${captured_was-}" = up ]; then
        [ -n "$(info things)" ] && echo "it is up, as before"
        return
    fi
    if [ "${captured_run-}" = absent ] && [ -e "$folder/run" ]; then
        echo "$folder/run is still there"
        return 1
    fi
    [ -z "$(info things)$(instances)" ] && echo "nothing answers on port $port, and nothing runs out of $folder" && return
    echo "it is still up"
    return 1
}
