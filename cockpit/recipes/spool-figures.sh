# recipe: Write down each message of each mailbox by its Message-ID, for the other host
# group: files
# danger: low it writes one file, of the figures
# undo: removes the figures, or restores what was there
# param: spool the folder of mailboxes: mbox files, Maildirs, or homes with a Maildir
# param: figures the file to write
# needs: find awk sha256sum
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
    sane || return 2
    now=$(taken | sha256sum) || return 2
    [ "$now" = "$(sha256sum < "$figures" 2> /dev/null)" ]
}

capture() {
    sane || return
    if [ -e "$figures.before" ]; then
        echo "$figures.before is in the way"
        return 1
    fi
    if [ -f "$figures" ]; then echo "figures=there"; else echo "figures=absent"; fi
}

apply() {
    sane || return
    umask 077
    rm -f "$figures.new"
    taken > "$figures.new" || return
    if [ "${captured_figures:-absent}" = there ] && [ ! -e "$figures.before" ]; then
        cp -p "$figures" "$figures.before.new" && mv "$figures.before.new" "$figures.before" || return
    fi
    mv "$figures.new" "$figures" && echo "$(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') mailboxes are written down"
}

verify() {
    probe || {
        echo "the figures are not those of what is there now"
        return 1
    }
    if [ ! -s "$figures" ]; then
        echo "there are no mailboxes"
        return 1
    fi
    echo "the figures are those of $(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') mailboxes"
}

undo() {
    sane || return
    rm -f "$figures.new" "$figures.before.new" || return
    if [ "${captured_figures:-there}" = absent ]; then
        rm -f "$figures"
    elif [ -e "$figures.before" ]; then
        mv "$figures.before" "$figures"
    fi || return
    echo "the figures are as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$figures.before" ] && [ ! -e "$figures.new" ] || return 1
    [ "${captured_figures:-there}" = there ] || [ ! -e "$figures" ] || return 1
    echo "the figures are as before"
}
