# recipe: Compare this side's configuration with the figures of the other, and name each setting that differs, without its value
# group: releases
# danger: none
# undo: nothing to take back: it only looked
# param: config files and folders of configuration on this side, one a line, as given to config-figures
# param: figures the file of the other side's figures
# param: facts shell text that prints `name=value` lines, as given to config-figures (optional)
# param: intended an extended regular expression; lines in which it is found may differ (optional)
# needs: find awk grep
# shellcheck shell=sh disable=SC2154

probe() {
    # A drift appears at any time: looked at anew each time.
    return 1
}

capture() {
    echo "looked=1"
}

taken() {
    printf '%s\n' "$config" | while IFS= read -r place; do
        [ -n "$place" ] || continue
        [ -r "$place" ] || { echo "$place cannot be read" >&2; exit 1; }
        case $place in -*) place=./$place ;; esac
        find -L "$place" -type f -exec awk '
            { sub(/\r$/, ""); gsub(/^[ \t]+|[ \t]+$/, "") }
            /^$/ || /^[#;]/ { next }
            { print FILENAME "\t" $0 }' {} + || exit
    done || return
    [ -z "${facts-}" ] || { said=$(sh -ec "
$facts" < /dev/null) && printf '%s\n' "$said" | sed 's/^/facts	/'; }
}

meant() {
    # Passes on the lines that nobody meant to differ.
    if [ -n "${intended-}" ]; then grep -vE -e "$intended"; else cat; fi
    [ $? -le 1 ]
}

drift() {
    # `here` or `there`, file and setting; 2 when it cannot be told.
    [ -s "$figures" ] && [ -r "$figures" ] || {
        echo "there are no figures of the other side at $figures"
        return 2
    }
    if [ -n "${intended-}" ]; then
        printf '' | grep -qE -e "$intended"
        [ $? -le 1 ] || { echo "what is intended is no regular expression"; return 2; }
    fi
    now=$(taken 2>&1) || {
        printf '%s\n' "$now" | tail -n 1
        return 2
    }
    # Lines of one side only, by their file and the word that they begin with.
    { printf '%s\n' "$now" | meant | sed 's/^/H/'; meant < "$figures" | sed 's/^/T/'; } | awk '
        { line = substr($0, 2); if (/^H/) here[line]; else there[line] }
        function told(line,   at, file, word) {
            at = index(line, "\t"); file = substr(line, 1, at - 1); word = substr(line, at + 1)
            sub(/[=:; \t{].*/, "", word)
            return file ": " word
        }
        END {
            for (line in here) if (line != "" && !(line in there)) side[told(line)] = side[told(line)] "h"
            for (line in there) if (line != "" && !(line in here)) side[told(line)] = side[told(line)] "t"
            for (key in side) {
                if (side[key] ~ /h/ && side[key] ~ /t/) print key " differs"
                else print key (side[key] ~ /h/ ? " is set here only" : " is set on the other side only")
            }
        }' | LC_ALL=C sort
}

apply() {
    found=$(drift)
    status=$?
    if [ "$status" != 0 ]; then
        printf '%s\n' "$found"
        return 1
    fi
    if [ -n "$found" ]; then
        printf '%s\n' "$found"
        echo "$(printf '%s\n' "$found" | wc -l | tr -d ' ') settings drifted: $(printf '%s\n' "$found" | head -n 1)"
        return 1
    fi
    echo "the configuration is that of the other side"
}

verify() {
    found=$(drift) || {
        status=$?
        printf '%s\n' "$found"
        return "$status"
    }
    if [ -n "$found" ]; then
        echo "$(printf '%s\n' "$found" | wc -l | tr -d ' ') settings drifted: $(printf '%s\n' "$found" | head -n 1)"
        return 1
    fi
    echo "each of $(wc -l < "$figures" | tr -d ' ') lines of configuration is as on the other side, but what is meant to differ"
}

undo() {
    # It only looked.
    return 0
}

verify_undo() {
    return 0
}
