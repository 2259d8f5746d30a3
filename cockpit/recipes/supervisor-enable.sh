# recipe: Let supervisor start a program with the host, or no more
# group: services
# danger: low the program itself runs on or stays stopped; the next `update` of supervisor restarts it, since its configuration changed
# undo: puts the line back that was there; what else was written into the file stays
# param: name the program, as in its section [program:NAME]
# param: file the file of supervisor's configuration in which that section stands
# param: start `true` or `false`, default true
# param: config supervisor's configuration; default is where supervisorctl looks for it
# needs: supervisorctl awk flock
# shellcheck shell=sh disable=SC2154

wanted() {
    case ${start:-true} in true) echo auto ;; *) echo manual ;; esac
}

sane() {
    case $name in
        "" | -* | *[!A-Za-z0-9_.+-]*) echo "this is no name of a program; nothing was changed"; return 1 ;;
    esac
    case ${start:-true} in
        true | false) ;;
        *) echo "start is true or false; nothing was changed"; return 1 ;;
    esac
    case $file in
        *"
"*) echo "the file is named over two lines; nothing was changed"; return 1 ;;
        /*) ;;
        *) echo "the file is no absolute path: $file; nothing was changed"; return 1 ;;
    esac
    place=$(readlink -f "$file")
    if [ ! -f "$place" ] || [ "$(section | head -n 1)" != 1 ]; then
        echo "$file has no section [program:$name], or more than one; nothing was changed"
        return 1
    fi
}

section() {
    # How many sections of the program there are, then its line that says whether it starts with the host, as it stands there.
    wanted="program:$name" awk '
        /^\[/ {
            within = 0
            end = index($0, "]")
            if (end && substr($0, 2, end - 2) == ENVIRON["wanted"]) { within = 1; number++ }
        }
        within && tolower($0) ~ /^autostart[ \t]*[=:]/ { line = $0 }
        END { print number + 0; print line }' < "$place"
}

control() {
    supervisorctl ${config:+-c "$config"} "$@"
}

told() {
    # What supervisor has read: auto or manual; nothing where it does not know the program.
    control avail 2> /dev/null | name=$name awk '
        BEGIN { name = ENVIRON["name"] }
        $1 == name || index($1, name ":") == 1 || substr($1, length($1) - length(name)) == ":" name {
            for (word = 2; word <= NF; word++) if ($word == "auto" || $word == "manual") { print $word; exit }
        }'
}

written() {
    # What the file says. Without a line supervisor starts a program.
    line=$(section | tail -n 1)
    value=$(printf '%s\n' "${line#*[=:]}" | sed -e 's/[[:space:]];.*$//' -e 's/[[:space:]]//g' | tr '[:upper:]' '[:lower:]')
    case $value in no | false | off | 0) echo manual ;; *) echo auto ;; esac
}

reread() {
    # Supervisor reads its files and restarts nothing. Says why it cannot.
    said=$(control reread 2>&1) && case $said in *ERROR*) false ;; esac && return
    echo "supervisor refuses its configuration: $(printf '%s\n' "$said" | tail -n 1)"
    return 1
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

put() {
    # Writes $1 in place of the line, or below the section's head where there is none; removes it when $1 is empty.
    rm -f "$place.cockpit-new"
    cp -p "$place" "$place.cockpit-new" || return
    line=$1 wanted="program:$name" awk '
        FNR == NR {
            if ($0 ~ /^\[/) {
                end = index($0, "]")
                within = end && substr($0, 2, end - 2) == ENVIRON["wanted"]
                if (within) head = FNR
            }
            if (within && tolower($0) ~ /^autostart[ \t]*[=:]/) at = FNR
            next
        }
        FNR != at { print }
        FNR == (at ? at : head) && ENVIRON["line"] != "" { print ENVIRON["line"] }' "$place" "$place" > "$place.cockpit-new" &&
        mv "$place.cockpit-new" "$place"
}

probe() {
    sane || return 2
    now=$(told)
    [ -n "$now" ] || {
        echo "supervisor does not answer, or does not know $name"
        return 2
    }
    [ "$now/$(written)" = "$(wanted)/$(wanted)" ]
}

capture() {
    sane || return
    printf 'line=%s\n' "$(section | tail -n 1)"
}

apply() {
    sane || return 2
    locked supervisor enable
}

enable() {
    before=$(section | tail -n 1)
    reread || {
        echo "it is broken already; nothing was changed"
        return 2
    }
    if [ "$(written)" != "$(wanted)" ]; then
        put "autostart=${start:-true}" || return
        reread || {
            put "$before"
            reread > /dev/null
            echo "the line is taken back; nothing was changed"
            return 2
        }
    fi
    echo "$name: autostart=${start:-true}"
}

verify() {
    # Not the file, but what supervisor has read from it.
    sane || return 2
    now=$(told)
    case $now in
        "$(wanted)") echo "supervisor says $now for $name" ;;
        "")
            echo "supervisor does not answer, or does not know $name"
            return 2
            ;;
        *)
            echo "supervisor says $now for $name"
            return 1
            ;;
    esac
}

undo() {
    sane && locked supervisor disable
}

disable() {
    rm -f "$place.cockpit-new"
    if [ "$(section | tail -n 1)" != "${captured_line-}" ]; then put "${captured_line-}" || return; fi
    reread || return
    echo "$name: ${captured_line:-no line of its own}, as before"
}

verify_undo() {
    sane || return 2
    if [ "$(section | tail -n 1)" != "${captured_line-}" ]; then
        echo "$file says $(section | tail -n 1), before ${captured_line:-nothing}"
        return 1
    fi
    [ "$(told)" = "$(written)" ] || {
        echo "supervisor has not read it: it says $(told) for $name"
        return 1
    }
    echo "$name is as before"
}
