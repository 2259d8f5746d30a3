# shellcheck disable=SC2034,SC2086,SC2154  # one of the parts of a text; much is set by eval; what is not quoted is a number
# Telling what is new of each generation of a log, the oldest first, and letting go of those that are over.
# cut I S: it was truncated; what was not read of it is in a copy, if anywhere.
cut_() {
    uptime_
    eval "[ -z \"\$h_$1_$2\" ] || kill \$h_$1_$2 2>/dev/null; S_$1_$2=; h_$1_$2=; since_$1=$up; list=\$gens_$1"
    if [ "${list##* }" = "$2" ]; then eval "k_$1_$2=-; copied_$1_$2=1"; else eval "over_$1_$2=1"; fi
}

# take I S SIZE: tell what is new of it up to SIZE. False when there is more to come first.
take() {
    get "$1" "$2"
    [ -n "$src" ] || return 0
    if [ -n "$(tool_of "$src")" ]; then
        total=$($(tool_of "$src") -dc -- "$src" 2>/dev/null | wc -c)
        if ! command -v "$(tool_of "$src")" >/dev/null 2>&1 && status "$src"; then say "G $1 $2 $size"; fi
        if [ "$total" -gt "$o" ]; then
            eval "z_$1_$2=$total"
            n=$((total - o))
            frame "$1" "$2" "$o" "$n" 0
            $(tool_of "$src") -dc -- "$src" 2>/dev/null | tail -c "+$((o + 1))" || exit 0
            say "E $n"
            moved=1
            eval "o_$1_$2=$total"
        fi
        eval "over_$1_$2=1"
        return 0
    fi
    v "seen_$1_$2"
    [ "$V" != "$3 $4" ] || return 0
    [ "$3" -le "$z" ] || eval "z_$1_$2=$3"
    # In one opening: what was read before must be there still, else the bytes behind it are of another generation.
    { command exec 3<"$src"; } 2>/dev/null || return 0
    [ "$o" -eq "$nl" ] || dd bs=1 skip=$((o - nl)) count=0 <&3 2>/dev/null
    hash=-
    if [ "$nl" -gt 0 ]; then cut24 "$(dd bs="$nl" count=1 <&3 2>/dev/null | $shahash)"; fi
    if [ "$3" -lt "$o" ] || [ "$hash" != "$nh" ]; then exec 3<&-; cut_ "$1" "$2"; moved=1; return 1; fi
    n=$(($3 - o))
    if [ "$n" -le 0 ]; then
        exec 3<&-
        eval "seen_$1_$2=\"\$3 \$4\""
        [ "$o" = 0 ] || eval "m_$1_$2=\$4"
        return 0
    fi
    eval "list=\$gens_$1"
    if [ "$o" = 0 ] && [ "${list##* }" = "$2" ]; then
        unread "$1" "$2"
        if [ -n "$between" ]; then exec 3<&-; return 1; fi
        get "$1" "$2"
        n=$3
    fi
    full=1
    [ $n -le $quantum ] || { n=$quantum full=''; }
    eval "m_$1_$2=\$4"
    frame "$1" "$2" "$o" "$n" 0
    # What it is recognised by from now on is taken from the very bytes that are told.
    cut24 "$({ dd bs=$n count=1 <&3 2>/dev/null | tee /proc/self/fd/6 >&5; } 6>&1 | tail -c $finger | $shahash)"
    read -r got </proc/$$/fdinfo/3
    exec 3<&-
    got=$((${got##*[!0-9]} - o))
    # It was cut between two words of ours: the frame keeps its length, and says how much of it counts.
    [ "$got" -eq "$n" ] || dd if=/dev/zero bs=$((n - got)) count=1 2>/dev/null
    say "E $got"
    moved=1
    uptime_
    eval "o_$1_$2=$((o + got)) g_$1_$2=$up quiet_$1_$2="
    [ "$z" -ge $((o + got)) ] || eval "z_$1_$2=$((o + got))"
    o=$((o + got)) n=$got
    [ $n -le $finger ] || n=$finger
    [ $got -le 0 ] || eval "nl_$1_$2=$n; nh_$1_$2=$hash"
    if [ "$hl" -lt $finger ]; then
        n=$o; [ $n -le $finger ] || n=$finger
        print_ "$src" 0 "$n"
        if status "$src" && [ "$size" -ge "$o" ]; then eval "hl_$1_$2=$n; hh_$1_$2=$hash"; fi
    fi
    [ -n "$full" ]
}

# retire I: let go of what will not grow any more.
retire() {
    eval "list=\$gens_$1"
    kept=''
    for s in $list; do
        get "$1" "$s"
        if [ "$s" != "${list##* }" ]; then
            eval "g=\$g_$1_$s quiet=\$quiet_$1_$s"
            uptime_
            silent=$((up - g))
            if [ -z "$over" ] && { [ -n "$copied" ] || [ $silent -gt $linger ]; }; then over=1; fi
            if [ -z "$over$quiet" ] && [ $silent -gt 100 ]; then say "Q $1 $s"; eval "quiet_$1_$s=1"; fi
            if [ -n "$over" ]; then
                eval "[ -z \"\$h_$1_$s\" ] || kill \$h_$1_$s 2>/dev/null"
                say "X $1 $s"
                eval "known_$1=\"\${known_$1-} $k/$m \""
                [ "$hl" -lt 64 ] || eval "heads_$1=\"\${heads_$1-} $hl:$hh\""
                continue
            fi
        fi
        kept="$kept $s"
    done
    eval "gens_$1=\$kept"
}

turn() {
    eval "list=\${gens_$1-}"
    for s in $list; do
        get "$1" "$s"
        if [ -z "$src$over" ]; then locate "$1" "$s" || return 0; fi
    done
    look "$1"
    # Sizes from the newest to the oldest, bytes from the oldest to the newest: what was written before comes before.
    eval "list=\${gens_$1-}"
    sizes='' files_=''
    for s in $list; do eval "src=\$S_$1_$s"; files_="$s $files_"; done
    for s in $files_; do
        eval "src=\$S_$1_$s"
        size=0 mtime=0
        case $src in /proc/*) status "$src" || continue ;; esac
        sizes="$s $size $mtime $sizes"
    done
    set -- "$1" $sizes
    i=$1
    shift
    all=1
    while [ $# -gt 0 ]; do
        if ! take "$i" "$1" "$2" "$3"; then all=''; break; fi
        shift 3
    done
    [ -z "$all" ] || retire "$i"
}
