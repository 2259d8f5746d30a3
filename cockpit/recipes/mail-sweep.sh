# recipe: Forward what came into an old mailbox after the switch: each message once, unchanged, and counted
# group: mail
# danger: low what had strayed to this host arrives on the other one
# undo: the originals stay in the mailbox here; what was forwarded is not unsent
# param: box the mailbox on this host: an mbox file or a Maildir
# param: address the address that gets the messages, which this host must hand on to the other one
# param: since messages that came then or later: seconds since 1970, or a file that was made when the redirect began (optional; this or copied)
# param: copied the mbox as it went over to the other host: what is not in it is forwarded, whatever time it bears (optional)
# param: ledger what was forwarded is noted here (default: a file of its own for this mailbox in ~/.cockpit/swept)
# needs: awk cksum flock sendmail setsid
# shellcheck shell=sh disable=SC2154

# A message is handed to `sendmail` with the sender of its envelope. Handing over and noting it are done by a process of its own
# in a session of its own, which a cut of this recipe does not reach; so none is lost and none goes twice. If the machine itself
# dies between the two, the ledger says "trying", and a person has to look whether that one arrived.
export LC_ALL=C

sane() {
    when=
    case $address in
        [@-]* | *@*@* | *@ | *[!A-Za-z0-9@._+=-]*) ;;
        *@*) case ${copied:+copied}:${since-} in
            copied:) [ ! -f "$copied" ] || [ ! -f "$box" ] || when=0 ;;
            :*[!0-9]*) [ ! -f "$since" ] || when=$(stat -c %Y -- "$since" 2> /dev/null) ;;
            :*) when=$since ;;
        esac ;;
    esac
    [ -n "$when" ] || {
        echo "no address, or not one time or copy: $address, ${since-}${copied-}"
        return 2
    }
    [ -f "$box" ] || [ -d "$box/new" ] || {
        echo "no mailbox: $box"
        return 2
    }
    book=${ledger:-}
    [ -n "$book" ] || book=$HOME/.cockpit/swept/$(printf '%s' "$box" | cksum | tr ' ' -).$(basename -- "$address")
}

# The mbox cut into one file a message in the folder $1, named 1, 2 and so on; their names with when each came, as
# YYYYMMDDhhmmss of this host's clock, and its sender. The names are told before the last file is whole: wait for its end.
cut_mbox() {
    OUT=$1 awk '
        BEGIN { split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names, " "); for (i in names) month[names[i]] = i; blank = 1 }
        blank && /^From .* [0-9][0-9]?:[0-9][0-9]/ {
            if (n) close(file)
            file = ENVIRON["OUT"] "/" ++n; kept = 0; blank = 0
            for (i = 4; i <= NF && $i !~ /:/; i++) ;
            split($i ":00", clock, ":")
            year = $(i + 1) ~ /^[0-9][0-9][0-9][0-9]$/ ? $(i + 1) : $NF
            printf "%d %04d%02d%02d%02d%02d%02d %s\n", n, year, month[$(i - 2)], $(i - 1), clock[1], clock[2], clock[3], $2
            next
        }
        n { if (kept) print "" > file; kept = $0 == ""; blank = kept; if (!kept) print > file }' < "$2"
}

# As it was sent: without what the delivery here has added, and what quoted it for the mbox.
original() {
    MBOX=$1 awk '
        !body && /^\r?$/ { body = 1 }
        !body && /^[ \t]/ { if (!drop) print; next }
        !body { drop = tolower($0) ~ /^(return-path|delivered-to|x-original-to|envelope-to|delivery-date|status|x-status|x-uid|x-keywords|x-imapbase):/
            if (drop) next }
        body && ENVIRON["MBOX"] && /^>+From / { sub(/^>/, "") }
        { print }'
}

# What tells a message of an mbox from others, read or not.
sum() {
    original 1 < "$1" | cksum | tr ' ' -
}

# Whether nobody delivers into the mailbox: there is no lock file, and no process locks it for writing by fcntl or flock.
quiet() {
    [ ! -e "$box.lock" ] || return
    it=$(stat -L -c %d:%i -- "$box") || return
    INODE=${it#*:} awk '$4 == "WRITE" { n = split($6, at, ":"); if (at[n] == ENVIRON["INODE"]) print $5 }' /proc/locks 2> /dev/null | {
        while read -r pid; do
            # Another file system may have a file of this number.
            [ -r "/proc/$pid/fd" ] || exit 1
            ! stat -L -c %d:%i "/proc/$pid/fd"/* 2> /dev/null | grep -qxF -e "$it" || exit 1
        done
    }
}

# The mailbox as it is while nobody writes it. The locks are looked at, not taken: to look changes nothing here.
picture() {
    tries=0
    until quiet && cp -- "$box" "$work/mbox" && quiet && cmp -s -- "$box" "$work/mbox"; do
        tries=$((tries + 1))
        if [ ! -r "$box" ] || [ "$tries" -gt 100 ]; then
            echo "$box cannot be read while nobody writes it" >&2
            return 1
        fi
        sleep 0.1
    done
}

# Every message that came after the time, or is not in the copy: NAME FILE SENDER.
strayed() {
    if [ -d "$box/new" ]; then
        for file in "$box"/new/* "$box"/cur/*; do
            [ -f "$file" ] || continue
            name=${file##*/} name=${name%%:2,*}
            came=${name%%.*}
            case $came in '' | *[!0-9]*) came=$(stat -c %Y -- "$file") ;; esac
            [ "$came" -ge "$when" ] || continue
            sender=$(awk 'tolower($1) == "return-path:" { print $2; exit } /^\r?$/ { exit }' < "$file")
            # A name may hold anything but a slash.
            printf '%s\t%s\t%s\n' "$(printf '%s' "$name" | cksum | tr ' ' -)" "${sender:-<>}" "$file"
        done
        return
    fi
    picture && after=$(date -d "@$when" +%Y%m%d%H%M%S) || return
    if [ -n "${copied-}" ]; then
        # A message bears the time at which its delivery began, which may be before the copy.
        after=0
        if head -c "$(wc -c < "$copied")" "$work/mbox" | cmp -s - "$copied"; then
            tail -c "+$(($(wc -c < "$copied") + 1))" "$work/mbox" > "$work/tail" && mv "$work/tail" "$work/mbox" || return
        else
            # Somebody has read or deleted some.
            mkdir "$work/had" && cut_mbox "$work/had" "$copied" > "$work/numbers" || return
            while read -r number _; do
                sum "$work/had/$number"
            done < "$work/numbers" > "$work/before" || return
        fi
    fi
    cut_mbox "$work" "$work/mbox" > "$work/numbers" || return
    while read -r number came sender; do
        # Compared as text: such a number is too long for some shells.
        [ "$after" = 0 ] || [ "$(printf '%s\n%s\n' "$came" "$after" | sort | head -n 1)" = "$after" ] || continue
        awk '/^X-IMAP:/ { found = 1 } /^\r?$/ { exit } END { exit !found }' < "$work/$number" && continue
        # The same text may have come twice.
        sum=$(sum "$work/$number")
        nth=$(grep -cxF -e "$sum" "$work/sums" 2> /dev/null)
        echo "$sum" >> "$work/sums"
        had=$(grep -cxF -e "$sum" "$work/before" 2> /dev/null)
        nth=$((${nth:-0} - ${had:-0}))
        [ "$nth" -ge 0 ] || continue
        printf '%s\t%s\t%s\n' "$came.$sum.$nth" "${sender:-<>}" "$work/$number"
    done < "$work/numbers"
}

# Removes the folders in which this mailbox was cut up, but for one whose process lives, and has its lock: a cut leaves them.
swept_up() {
    place=$HOME/.cockpit-sweep-$(printf '%s' "$book" | cksum | tr ' ' -)
    for old in "$place".*; do
        # shellcheck disable=SC2094  # a folder
        [ ! -d "$old" ] || (! flock -n 8 || rm -rf "$old") 8< "$old"
    done
}

# A folder of its own, with a lock for as long as this process lives. Another one may sweep before it has the lock.
work_in() {
    swept_up
    work=$place.$$
    while (umask 077 && mkdir "$work"); do
        command exec 8< "$work" && flock 8 && [ -d "$work/." ] && return
    done
    return 1
}

worked() {
    rm -rf "$work"
    exec 8<&-
}

# Calls $1 with name, sender and file of each that is not in the ledger.
each_left() {
    work_in || return 2
    strayed > "$work/list" || {
        worked
        return 2
    }
    total=$(grep -c . < "$work/list")
    left=0
    tab=$(printf '\t')
    while IFS=$tab read -r name sender file; do
        ! grep -qxF "sent $name" "$book" 2> /dev/null || continue
        left=$((left + 1))
        "$1" || {
            worked
            return 1
        }
    done < "$work/list"
    worked
}

look() {
    :
}

# What waits in this host's queue for others than the address: it was taken before the address was handed on, and may still come
# into the mailbox, as when that was locked for a moment. What somebody holds does not move.
waiting() {
    mailq 2> /dev/null | ADDRESS=$address awk '
        function told() { if (id != "" && other) print id; id = ""; other = 0 }
        $1 ~ /^[0-9A-Za-z]+[*#]?[X-]*$/ && $2 ~ /^[0-9]+$/ && NF > 3 { told(); id = $1; sub(/[*#]?[X-]*$/, "", id); next }
        $1 ~ /^[0-9]+[smhdw]$/ && NF > 3 { told(); if (!/frozen/) id = $3; next }
        id != "" && NF == 1 { gsub(/[<>]/, ""); if ($1 != ENVIRON["ADDRESS"]) other = 1 }
        END { told() }'
}

# Waits until what waits now is gone: delivered here, or elsewhere.
settled() {
    older=$(waiting) tries=0
    while [ -n "$older" ] && [ "$tries" -lt 150 ]; do
        tries=$((tries + 1))
        sleep 0.2
        older=$(printf '%s\n' "$older" | grep -xF -e "$(waiting)")
    done
    [ -z "$older" ] || echo "still in the queue of this host, come again when they are delivered: $(echo "$older" | paste -s -d ' ' -)"
}

probe() {
    sane || return 2
    [ -z "$(waiting)" ] || return 1
    each_left look || return 2
    [ "$left" = 0 ] && echo "nothing is left to forward: $total came to $box after the switch"
}

capture() {
    sane && each_left look || return 2
    echo "strayed=$left"
}

forward() {
    mbox=1
    [ ! -d "$box/new" ] || mbox=
    case $sender in
        '<'?*'>') sender=${sender#<} sender=${sender%>} ;;
    esac
    case $sender in
        '' | '<>' | MAILER-DAEMON | -*) sender='<>' ;;
    esac
    if grep -qxF "trying $name" "$book" 2> /dev/null; then
        echo "it is not known whether this one went: $(grep -i -m 1 '^message-id:' < "$file"); look for it at $address, then write \"sent $name\" or remove its line in $book"
        return 1
    fi
    original "$mbox" < "$file" > "$book.message" || return
    # What follows is never half done.
    # shellcheck disable=SC2016
    name=$name sender=$sender address=$address book=$book setsid sh -c '
        exec > /dev/null 2>&1
        echo "trying $name" >> "$book"
        if sendmail -i -f "$sender" -- "$address" < "$book.message" 9<&-; then
            echo "sent $name" >> "$book"
        fi
        grep -vxF "trying $name" "$book" > "$book.new"
        [ $? -le 1 ] && mv "$book.new" "$book"' 8<&- &
    wait $!
    grep -qxF "sent $name" "$book" && return
    echo "this host does not take a message for $address"
    return 1
}

apply() {
    sane || return
    mkdir -p "$(dirname -- "$book")" && touch -- "$book" || return
    (
        # What an earlier one still hands over has the lock, too.
        flock 9 || exit
        settled
        each_left forward
        status=$?
        rm -f "$book.message"
        exit "$status"
    ) 9< "$(dirname -- "$book")" || return
    echo "$(grep -c '^sent ' < "$book") forwarded to $address"
}

verify() {
    sane && each_left look || return 2
    sent=$(grep -c '^sent ' "$book" 2> /dev/null)
    if [ "$left" != 0 ]; then
        echo "$left of $total in $box are not forwarded"
        return 1
    fi
    tries=0
    while mailq 2> /dev/null | ADDRESS=$address awk '$NF == ENVIRON["ADDRESS"] || $NF == "<" ENVIRON["ADDRESS"] ">" { n = 1 } END { exit !n }'; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "messages to $address stay in the queue of this host"
            return 1
        fi
        sleep 0.2
    done
    # One that this host delivers to itself would have come back by now.
    each_left look || return 2
    echo "$total came after the switch, ${sent:-0} are forwarded, $left are left"
    [ "$left" = 0 ]
}

undo() {
    sane || return
    swept_up
    rm -f "$book.message" "$book.new"
    echo "the originals are in $box; what was forwarded stays with $address"
}

verify_undo() {
    # Nothing was changed here.
    sane || return 2
}
