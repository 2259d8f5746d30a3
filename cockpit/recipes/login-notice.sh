# recipe: Show a notice to everybody who logs in
# group: people
# danger: low people read it at their next login
# undo: takes the notice out again; the rest of the file stays as it is by then
# param: text the notice; it stands above what the file holds
# param: file the file that a login shows (default /etc/motd)
# param: check shell text that prints what a login shows (optional: only the file is looked at)
# shellcheck shell=sh disable=SC2154

nl='
'

# The file itself, behind links, and the length of the notice in it.
where() {
    place=${file:-/etc/motd}
    [ ! -L "$place" ] || place=$(readlink -f "$place")
    length=$(printf '%s\n' "$text" | wc -c)
}

there() {
    [ -f "$place" ] && [ "$(head -c "$length" "$place" | tr -d '\000' && echo .)" = "$text$nl." ]
}

probe() {
    where
    there
}

capture() {
    where
    if [ -f "$place" ]; then echo "present=1"; else echo "present=0"; fi
}

apply() {
    where
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
    where
    if [ -z "${check-}" ]; then
        there || {
            echo "$place does not begin with the notice"
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
    where
    rm -f "$place.new"
    if ! there; then
        echo "the notice is not in $place"
        return 0
    fi
    if [ "${captured_present:-1}" = 0 ] && [ "$(wc -c < "$place")" -eq "$length" ]; then
        rm -f "$place"
    else
        cp -p "$place" "$place.new" && tail -c "+$((length + 1))" "$place" > "$place.new" && mv "$place.new" "$place"
    fi && echo "the notice is gone from $place"
}

verify_undo() {
    where
    if there; then
        echo "the notice is still in $place"
        return 1
    fi
    echo "$place does not hold the notice"
}
