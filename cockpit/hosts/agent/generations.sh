# shellcheck disable=SC2034,SC2086,SC2154  # one of the parts of a text; much is set by eval; what is not quoted is a number
# What became of the generations of a log that were known, and what came after them.
# listed I: what lies beside the log and bears its name, as lines `order key size mtime name` in `found`; names and keys in `keys`.
listed() {
    eval "dir=\$dir_$1 name=\$base_$1"
    stem=${name%.*} ext=.${name##*.}
    [ "$stem" != "$name" ] || ext=''
    found='' keys='' numbers=1 dates=1 names_='
'
    set --
    set +f
    for p in "$dir$name"[-._]* "$dir$stem"[-._]*; do
        set -f
        [ -f "$p" ] || continue
        n=${p#"$dir"} bare=$n
        case $n in *.gz | *.bz2 | *.xz | *.lzma | *.zst) bare=${n%.*}; [ ! -e "$dir$bare" ] || continue ;; esac
        case $bare in
            "$name" | "$name"*/*) continue ;;
            "$name"[-._]*) suffix=${bare#"$name"} ;;
            "$stem"[-._]*"$ext") suffix=${bare#"$stem"}; suffix=${suffix%"$ext"}
                case $suffix in .[0-9]* | [-._][0-9][0-9._T:-][0-9._T:-][0-9._T:-][0-9._T:-][0-9._T:-]*) ;; *) continue ;; esac ;;
            *) continue ;;
        esac
        rest=${suffix#?}
        case $rest in old | bak | prev) numbers=0 dates=0 rest=0 ;; [0-9]*) ;; *) continue ;; esac
        case $rest in *[!0-9._T:-]*) continue ;; ?????*) numbers=0 ;; *) dates=0 ;; esac
        # Both may have been there a moment ago: the one that was packed stands for the other.
        case "$names_" in *" $n
"* | *" $bare
"*) continue ;; esac
        names_="$names_$rest $n
"
        set -- "$@" "$p"
    done
    set -f
    [ $# -gt 0 ] || return 0
    # All at once: a folder of many files is looked at in a moment.
    st=$(stat -L -c '%n
%d:%i %s %Y %y' -- "$@" 2>/dev/null)
    while IFS= read -r p && IFS= read -r st_; do
        facts_ $st_
        # Some packers keep whole seconds only.
        case $mtime in *000000000) mtime=${mtime%?????????}999999999 ;; esac
        n=${p#"$dir"}
        rest=${names_%%" $n
"*}
        keys="$keys$key $n
"
        found="$found${rest##*
} $key $size $mtime $n
"
    done <<E
$st
E
}

# siblings I: what the log was renamed, copied or packed to, the oldest first, in `found`.
siblings() {
    # A file that is renamed between the list and its look would be in neither place: two looks have to agree.
    listed "$1"
    looks_=0 keys_=-
    while [ "$keys" != "$keys_" ] && [ $looks_ -lt $agree ]; do
        keys_=$keys looks_=$((looks_ + 1))
        listed "$1"
    done
    [ -n "$found" ] || return 0
    if [ $numbers = 1 ]; then found=$(printf %s "$found" | sort -k1,1nr)
    elif [ $dates = 1 ]; then found=$(printf %s "$found" | sort -k1,1)
    else found=$(printf %s "$found" | sort -k4,4n -k1,1nr)
    fi
}

# unread I S: the generations behind one, as lines in `between`.
unread() {
    siblings "$1"
    get "$1" "$2"
    eval "known=\${known_$1-} list=\$gens_$1"
    for s_ in $list; do v "k_$1_$s_"; known="$known $V "; done
    between='' seen_=0
    case "
$found" in *" $k "*) here_=$k ;; *)
        here_=''
        if [ "$o" -gt 0 ] && [ "$k" != - ]; then
            all_=$found
            while IFS=' ' read -r r_ k_ s_ m_ n_; do
                [ -n "$r_" ] && [ "${m_%?????????}" -ge "${m%?????????}" ] || continue
                fits "$1" "$2" "$dir$n_"
                if [ $fit = 2 ]; then here_=$k_; break; fi
            done <<E
$all_
E
            get "$1" "$2"
        fi ;;
    esac
    while IFS=' ' read -r r_ k_ s_ m_ n_; do
        [ -n "$r_" ] || continue
        if [ -n "$here_" ]; then
            if [ "$k_" = "$here_" ]; then seen_=1; continue; fi
            [ $seen_ = 1 ] || continue
        else
            [ "$m_" -gt "$m" ] || continue
        fi
        case "$known" in *" $k_ "* | *" $k_/$m_ "*) continue ;; esac
        # Behind one that is known, the order says enough; but packers that keep whole seconds only upset it.
        if { [ -z "$here_" ] || [ -n "$(tool_of "$n_")" ]; } && read_before "$1" "$dir$n_"; then continue; fi
        between="$between$r_ $k_ $s_ $m_ $n_
"
    done <<E
$found
E
}

# read_before I PATH: whether it is a copy of a generation that was read, or is.
read_before() {
    eval "heads=\${heads_$1-} list=\$gens_$1"
    for h_ in $list; do
        eval "h_=\$hl_$1_$h_:\$hh_$1_$h_"
        [ "${h_%:*}" -lt 64 ] || heads="$heads $h_"
    done
    for h_ in $heads; do
        print_ "$2" 0 "${h_%:*}"
        [ "$hash" != "${h_#*:}" ] || return 0
    done
    return 1
}

# locate I S: find a generation again. False to look again later.
locate() {
    siblings "$1"
    eval "path=\$path_$1"
    get "$1" "$2"
    there=''
    if status "$path"; then there=$key; fi
    all_=$found take_='' short_=''
    if [ "$there" = "$k" ]; then
        if [ "$o" = 0 ]; then unread "$1" "$2"; get "$1" "$2"; [ -n "$between" ] || take_=$path
        else fits "$1" "$2" "$path"; [ $fit != 2 ] || take_=$path
        fi
    fi
    for pass in same other; do
        while [ -z "$take_" ] && IFS=' ' read -r r_ k_ s_ m_ n_; do
            [ -n "$r_" ] || continue
            if [ $pass = same ]; then [ "$k_" = "$k" ] || continue
            else [ "$o" -gt 0 ] && [ "${m_%?????????}" -ge "${m%?????????}" ] || continue
            fi
            fits "$1" "$2" "$dir$n_"
            case $fit in 2) take_=$dir$n_ ;; 1) short_=$dir$n_ ;; esac
        done <<E
$all_
E
    done
    if [ -n "$take_$short_" ]; then
        status "${take_:-$short_}" || return 1
        if [ "$there" = "$k" ] && [ "$key" != "$k" ]; then eval "copied_$1_$2=1"; fi
        if [ -z "$take_" ]; then eval "over_$1_$2=1"
        elif [ -n "$(tool_of "$take_")" ]; then
            eval "S_$1_$2=\$take_ h_$1_$2="
        else
            hold "$take_" || return 1
            eval "S_$1_$2=\$source_ h_$1_$2=\$held"
        fi
        eval "k_$1_$2=\$key"
        return 0
    fi
    uptime_
    eval "since=\$since_$1 list=\$gens_$1"
    if [ "$o" -gt 0 ]; then
        [ $((up - since)) -ge $grace ] || return 1
        if [ "${list##* }" = "$2" ] || [ "$z" -gt "$o" ]; then say "G $1 $2 $((z - o))"; fi
    fi
    eval "k_$1_$2=-; over_$1_$2=1; copied_$1_$2="
}

# frame I S AT LENGTH JOINED: the head of a frame.
frame() {
    get "$1" "$2"
    clock
    say "F $1 $2 $3 $4 $z $now $k $m $hl $hh $5"
}

# look I: what came after the newest generation that is known.
look() {
    eval "path=\$path_$1 list=\${gens_$1-} mode=\$mode_$1"
    if ! status "$path"; then
        if [ -z "$list" ]; then
            key=-
            clock
            mtime=${now%.*}${now#*.}0000000
            add "$1" 0 '' '' 0
            eval "over_$1_0=1"
            frame "$1" 0 0 0 0
            say 'E 0'
        elif [ ! -r "$path" ] && [ -e "$path" ]; then trouble "$1" 'it cannot be read'
        fi
        return 0
    fi
    if [ ! -r "$path" ] || [ ! -f "$path" ]; then
        if [ -d "$path" ] || [ -p "$path" ]; then trouble "$1" 'it is not a regular file'
        elif [ -e "$path" ] && [ ! -r "$path" ]; then trouble "$1" 'Permission denied'
        fi
        return 0
    fi
    trouble "$1" ''
    if [ -z "$list" ]; then
        hold "$path" || return 0
        off=0
        if [ "$mode" = end ] && [ "$size" -gt $begin ]; then off=$((size - begin)); fi
        add "$1" 0 "$source_" "$held" "$off"
        eval "z_$1_0=$size"
        print_ "$source_" 0 "$((off < finger ? off : finger))"
        eval "hl_$1_0=$((off < finger ? off : finger)); hh_$1_0=$hash"
        frame "$1" 0 "$off" 0 0
        say 'E 0'
        return 0
    fi
    s=${list##* }
    get "$1" "$s"
    same=''
    if [ "$key" = "$k" ]; then
        [ "$o" = 0 ] && [ "$size" -gt 0 ] || return 0
        same=1
    fi
    here_key=$key
    unread "$1" "$s"
    [ -z "$same" ] || [ -n "$between" ] || return 0
    if [ -n "$between" ]; then
        # A copy that is not cut off yet is no generation of its own.
        last_=${between%?} last_=${last_##*
}
        set -- "$1" $last_
        file_=${last_#* * * * }
        clock
        if [ $((${now%.*} - ${5%?????????})) -le $settle ]; then
            status "$path" || return 0
            n=$finger; [ "$size" -ge $n ] || n=$size; [ "$4" -ge $n ] || [ -n "$(tool_of "$file_")" ] || n=$4
            print_ "$path" 0 "$n"; first_=$hash
            print_ "$dir$file_" 0 "$n"
            if [ "$hash" = "$first_" ] && { [ "$n" -gt 0 ] || [ "$4" = 0 ]; }; then return 0; fi
        fi
    fi
    eval "at=\$next_$1"
    joined=$copied
    [ -z "$same" ] || joined=1
    fresh_='' all_=$between
    while IFS=' ' read -r r_ k_ s_ m_ n_; do
        [ -n "$r_" ] || continue
        if [ -n "$(tool_of "$n_")" ]; then source_=$dir$n_ held=''; { status "$dir$n_" && [ "$key" = "$k_" ]; } || { undo "$1" "$fresh_"; return 0; }; mtime=$m_
        elif ! hold "$dir$n_" || [ "$key" != "$k_" ]; then undo "$1" "$fresh_"; return 0
        fi
        keep_ "$1" "$at"
        fresh_="$fresh_ $at" at=$((at + 1))
    done <<E
$all_
E
    if ! hold "$path" || [ "$key" != "$here_key" ]; then undo "$1" "$fresh_"; return 0; fi
    keep_ "$1" "$at"
    fresh_="$fresh_ $at"
    if [ -n "$same" ]; then
        eval "kill \$h_$1_$s 2>/dev/null; copied_$1_$s=1; over_$1_$s=1; S_$1_$s="
        say "X $1 $s"
    fi
    for s in $fresh_; do
        eval "key=\$key_$1_$s mtime=\$mtime_$1_$s"
        add "$1" "$s" "$(eval "echo \"\$src_$1_$s\"")" "$(eval "echo \"\$held_$1_$s\"")" 0
        [ "$s" = "$at" ] || eval "copied_$1_$s=\$joined"
        frame "$1" "$s" 0 0 "${joined:-0}"
        say 'E 0'
    done
}
keep_() { eval "src_$1_$2=\$source_ held_$1_$2=\$held key_$1_$2=\$key mtime_$1_$2=\$mtime"; }
# Something was renamed meanwhile: the next round sees how it is then.
undo() { for s_ in $2; do eval "[ -z \"\$held_$1_$s_\" ] || kill \$held_$1_$s_"; done; }
trouble() { v "told_$1"; [ "$V" = "$2" ] || say "T $1 $2"; eval "told_$1=\$2"; }
