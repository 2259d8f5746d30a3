# recipe: See that each message of each mailbox of the other host is in the mailbox here
# group: files
# danger: none
# undo: nothing to take back: it only looked
# param: spool the folder of mailboxes: mbox files, Maildirs, or homes with a Maildir
# param: figures the other host's figures, as spool-figures writes them
# needs: find awk
# shellcheck shell=sh disable=SC2154

sane() {
    case $spool$figures in
        *"
"*) echo "a path is named over two lines"; return 1 ;;
    esac
    case $spool:$figures in
        /*:/*) ;;
        *) echo "a path is not absolute"; return 1 ;;
    esac
    if [ ! -d "$spool" ]; then
        echo "there is no folder $spool"
        return 1
    fi
}

taken() {
    # `MAILBOX TAB Message-ID`, one line a message; `MAILBOX TAB` for a mailbox without one.
    (cd "$spool" && for box in *; do
        inner=$box
        if [ -d "$box/Maildir" ]; then inner=$box/Maildir; fi
        case $box in -*) box=./$box inner=./$inner ;; esac
        if [ -f "$box" ]; then
            box=$box LC_ALL=C awk '
                function told() { if (began) print ENVIRON["box"] "\t" id }
                /^From / && (NR == 1 || blank) { told(); began = head = 1; id = "none" }
                head && tolower($0) ~ /^message-id:/ { id = $0; sub(/^[^:]*:[ \t]*/, "", id); sub(/\r$/, "", id) }
                { blank = /^\r?$/ } blank { head = 0 }
                END { told(); print ENVIRON["box"] "\t" }' - < "$box"
        elif [ -d "$inner/cur" ]; then
            printf '%s\t\n' "$box"
            find "$inner" -type f \( -path '*/cur/*' -o -path '*/new/*' \) -exec awk '
                function told() { if (begun) print ENVIRON["box"] "\t" id }
                FNR == 1 { told(); begun = head = 1; id = "none" }
                head && tolower($0) ~ /^message-id:/ { id = $0; sub(/^[^:]*:[ \t]*/, "", id); sub(/\r$/, "", id) }
                /^\r?$/ { head = 0 }
                END { told() }' {} + | box=$box LC_ALL=C awk '{ sub(/^[^\t]*\t/, ""); print ENVIRON["box"] "\t" $0 }'
        fi
    done) | LC_ALL=C sort
}

probe() {
    # What is here changes at any time: looked at anew each time.
    return 1
}

capture() {
    echo "looked=1"
}

compared() {
    # Lines `BOX: …` of what is missing here; more may have come.
    sane || return 2
    if [ ! -s "$figures" ]; then
        echo "there are no figures of the other host at $figures"
        return 2
    fi
    found=$(taken | LC_ALL=C awk -F'\t' '
        FILENAME == "-" { here[$0]++; if ($2 != "") { now[$1]++; total++ } known[$1]; next }
        { boxes[$1]; if ($2 != "") { was[$1]++; if (here[$0]-- <= 0) lost[$1]++ } }
        END {
            for (box in boxes) {
                if (!(box in known)) print box ": not here, " was[box] + 0 " messages there"
                else if (box in lost) print box ": " was[box] " messages there, " now[box] + 0 " here, " lost[box] " missing"
            }
        }' - "$figures" | LC_ALL=C sort)
    [ -z "$found" ] || { printf '%s\n' "$found" | sed -n '2,50p'; printf '%s\n' "$found" | sed -n 1p; return 1; }
}

apply() {
    compared || return 1
    echo "no message is missing"
}

verify() {
    said=$(compared) || {
        status=$?
        printf '%s\n' "$said" | tail -n 1
        return "$status"
    }
    there=$(awk -F'\t' '$2 != ""' "$figures" | wc -l | tr -d ' ')
    here=$(taken | awk -F'\t' '$2 != ""' | wc -l | tr -d ' ')
    echo "each of $there messages is here, $((here - there)) more have come"
}

undo() {
    # It only looked.
    return 0
}

verify_undo() {
    return 0
}
