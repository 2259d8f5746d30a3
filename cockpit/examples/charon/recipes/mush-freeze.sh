# recipe: Save a game and announce that further changes will be lost; its players stay
# group: people
# danger: high what players change from now on is lost
# undo: takes the announcement back; changes are kept again
# param: user whose game it is
# param: folder its folder; the wizard's password is in the file `wizard` there
# param: port where it listens
# param: address where it listens, default 127.0.0.1
# param: says the announcement, one line
# needs: python3 readlink
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

# --- end of what is shared ---

sane_too() {
    sane || return
    case $says in "" | *"
"*) echo "the announcement must be one line" && return 2 ;; esac
    [ -n "$(info things)" ] && return
    echo "nothing answers on port $port, processes that run out of $folder: $(instances | tr '\n' ' ')"
    return 2
}

probe() {
    sane_too || return 2
    [ "$(info changes)" = lost ]
}

capture() {
    sane_too || return
    printf 'changes=%s\n' "$(info changes)"
}

apply() {
    sane_too || return
    [ "$(info changes)" = kept ] || {
        echo "it was announced before"
        return
    }
    said=$(printf '@freeze %s\n' "$says" | wizard | tr -d '\r') || return
    printf '%s\n' "$said" | grep '^Saved: ' || {
        echo "it was not saved: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
}

verify() {
    sane_too || return 2
    printf 'connect cockpit\nQUIT\n' | talk | tr -d '\r' | grep -qF -e "Notice: $says" || {
        echo "who connects is not told"
        return 1
    }
    [ "$(info changes)" = lost ] && echo "who connects is told: $says; $(info players) players are there"
}

undo() {
    sane_too || return
    if [ "${captured_changes-}" = kept ]; then echo @thaw | wizard > /dev/null || return; fi
    echo "changes are ${captured_changes:-kept}"
}

verify_undo() {
    sane_too || return 2
    [ "$(info changes)" = "${captured_changes-}" ] && echo "changes are $captured_changes"
}
