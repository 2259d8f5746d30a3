# recipe: Say something to the people who are logged in or playing
# group: people
# danger: low people read it; cut off and run again, it may be said twice
# undo: takes nothing back: what was said stays said
# param: text what is said; those who say it get it as it is
# param: check shell text that prints what people see; the first line of the text must have come up in it
# param: command shell text that gets the text on its standard input (default wall)
# param: within seconds for it to come up (default 10)
# shellcheck shell=sh disable=SC2154

nl='
'

asked() {
    # A text of several lines stops at its first error; one that begins with a dash is no option.
    sh -ec "
$1"
}

# How often the first line of the text is in what people see.
seen() {
    line=${text%%"$nl"*}
    shown=$(asked "$check" 2> /dev/null < /dev/null) || return 2
    printf '%s\n' "$shown" | grep -cF -e "$line"
    return 0
}

sane() {
    case $text in
        '' | "$nl"*)
            echo "the text begins with an empty line: nobody could tell whether it came up"
            return 2
            ;;
    esac
    case ${within:-10} in *[!0-9]*) echo "within: $within is no number of seconds"; return 2 ;; esac
}

probe() {
    sane || return
    # What was said before says nothing about this night.
    return 1
}

capture() {
    count=$(seen) || {
        echo "what people see cannot be read" >&2
        return 1
    }
    echo "before=$count"
}

apply() {
    sane || return
    if printf '%s\n' "$text" | asked "${command:-wall}"; then
        echo "said: ${text%%"$nl"*}"
    else
        echo "it could not be said: ${command:-wall} ended with an error"
        return 1
    fi
}

verify() {
    sane || return
    tries=0
    while :; do
        count=$(seen) || {
            echo "what people see cannot be read"
            return 2
        }
        [ "$count" -le "${captured_before:-0}" ] || break
        tries=$((tries + 1))
        if [ "$tries" -gt $((${within:-10} * 5)) ]; then
            echo "it did not come up where people look"
            return 1
        fi
        sleep 0.2
    done
    echo "people see it"
}

undo() {
    echo "what was said stays said: say what became of it"
}
