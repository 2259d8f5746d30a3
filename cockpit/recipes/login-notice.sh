# recipe: Show a notice to everybody who logs in
# group: people
# danger: low people read it at their next login
# undo: takes the notice out again; the rest of the file stays as it is by then
# param: text the notice; it stands above what the file holds
# param: file the file that a login shows (default /etc/motd)
# param: check shell text that prints what a login shows (optional: only the file is looked at)
# needs: awk flock
# shellcheck shell=sh disable=SC2154

nl='
'

# The file itself, behind links.
sane() {
    place=${file:-/etc/motd}
    case $text in
        *[![:space:]]*) ;;
        *) echo "the notice is empty; nothing was changed"; return 2 ;;
    esac
    case $place in
        *"$nl"*) echo "the file is named over two lines; nothing was changed"; return 2 ;;
        /*[!/]) ;;
        *) echo "the file is no absolute path: $place; nothing was changed"; return 2 ;;
    esac
    if [ -L "$place" ] && ! place=$(readlink -f -- "$place"); then
        echo "the link ${file:-/etc/motd} leads nowhere; nothing was changed"
        return 2
    fi
    if [ -d "$place" ] || [ ! -d "${place%/*}/" ]; then
        echo "there can be no file $place; nothing was changed"
        return 2
    fi
}

# The lines at which the notice begins: others may have put theirs above it, or below.
begins() {
    [ -f "$place" ] || return 0
    text=$text LC_ALL=C awk '
        { line[NR] = $0 }
        END {
            n = split(ENVIRON["text"], wanted, "\n")
            for (at = 1; at + n - 1 <= NR; at++) {
                for (i = 1; i <= n && line[at + i - 1] "" == wanted[i] ""; i++) ;
                if (i > n) { print at; at += n - 1 }
            }
        }' < "$place"
}

there() {
    [ -n "$(begins)" ]
}

# The file whose lock says who changes $1 on this host. Nobody else can open it, and so keep the lock: it is in a folder of root's,
# or in the home of who is not root.
latch() {
    latch=/run
    [ -d "$latch" ] || latch=/var/run
    [ "$(id -u)" = 0 ] || latch=$HOME
    latch=$latch/.cockpit-$1.lock
    (umask 077 && : >> "$latch")
}

# Runs the function $2 as the only one on this host that changes $1: of two that read one file and write it, the first change would
# be lost. The kernel takes the lock back from who dies, and what that has started does not keep it.
locked() {
    if ! command -v flock > /dev/null; then
        echo "there is no flock here, without which two steps could write one file at once; nothing was changed"
        return 2
    fi
    latch "$1" || return 2
    (
        left=600
        until flock -n 9; do
            left=$((left - 1))
            if [ "$left" -le 0 ]; then
                echo "another step has kept $latch locked for two minutes; nothing was changed"
                return 2
            fi
            sleep 0.2
        done
        "$2" 9>&-
    ) 9>> "$latch"
}

probe() {
    sane || return 2
    there
}

capture() {
    sane || return 2
    if [ -f "$place" ]; then echo "present=1"; else echo "present=0"; fi
    # What says the same and stood there before is not ours.
    echo "others=$(begins | grep -c .)"
}

apply() {
    sane || return 2
    locked notice put_up
}

put_up() {
    rm -f "$place.new"
    if there; then
        echo "the notice is in $place already"
        return 0
    fi
    if [ -e "$place" ]; then
        cp -p "$place" "$place.new" && { printf '%s\n' "$text" && cat "$place"; } > "$place.new"
    else
        (umask 022 && printf '%s\n' "$text" > "$place.new")
    fi && mv "$place.new" "$place" && echo "the notice is in $place"
}

verify() {
    sane || return 2
    if [ -z "${check-}" ]; then
        there || {
            echo "$place does not hold the notice"
            return 1
        }
        # shellcheck disable=SC2012  # the mode of one file
        case $(ls -ld "$place") in
            -??????r*) echo "everybody can read the notice in $place" ;;
            *)
                echo "not everybody may read $place"
                return 1
                ;;
        esac
        return 0
    fi
    # A text of several lines stops at its first error; one that begins with a dash is no option.
    shown=$(sh -ec "
$check" 2> /dev/null < /dev/null) || {
        echo "what a login shows cannot be asked"
        return 2
    }
    # Terminals end lines with a carriage return, too.
    if printf '%s\n' "$shown" | tr -d '\r' | grep -qxF -e "${text%%"$nl"*}"; then
        echo "a login shows the notice"
    else
        echo "a login does not show the notice"
        return 1
    fi
}

undo() {
    sane || return 2
    locked notice take_out
}

take_out() {
    rm -f "$place.new"
    # It was put above all else, so it is the first of those that say the same.
    at=$(begins | head -n 1)
    if [ "$(begins | grep -c .)" -le "${captured_others:-0}" ]; then
        echo "the notice is not in $place"
        return 0
    fi
    length=$(printf '%s\n' "$text" | wc -l)
    cp -p "$place" "$place.new" &&
        { head -n "$((at - 1))" "$place" && tail -n "+$((at + length))" "$place"; } > "$place.new" || return
    if [ "${captured_present:-1}" = 0 ] && [ ! -s "$place.new" ]; then
        rm -f "$place" "$place.new"
    else
        mv "$place.new" "$place"
    fi && echo "the notice is gone from $place"
}

verify_undo() {
    sane || return 2
    if [ "$(begins | grep -c .)" -gt "${captured_others:-0}" ]; then
        echo "the notice is still in $place"
        return 1
    fi
    echo "$place does not hold the notice"
}
