# Follows logs of the host it runs on, as follow.py does, where there is no Python: POSIX sh, a stat that knows -c, dd, /proc.
# It says and reads what cockpit/hosts/frames.py describes. What belongs to generation S of log I is in variables named X_I_S,
# what belongs to log I in X_I. A generation is held open by a helper that ends with this shell, and read through its /proc.
LC_ALL=C
export LC_ALL
IFS=' '
set -f
finger=4096 quantum=131072 begin=4096 grace=100 settle=2 linger=30000
self=$$
shahash=sha256sum
command -v sha256sum >/dev/null 2>&1 || shahash=md5sum
helpers=''
trap 'kill $helpers 2>/dev/null' EXIT
trap 'exit 0' HUP TERM PIPE INT

exec 5>&1
say() { echo "$1" 2>/dev/null || exit 0; }
v() { eval "V=\${$1-}"; }
uptime_() { read -r up _ </proc/uptime; up=${up%.*}${up#*.}; while case $up in 0?*) ;; *) false ;; esac; do up=${up#0}; done; }
clock() { uptime_; t=$((up - base)); now=$((start + t / 100)); t=$((t % 100)); [ $t -gt 9 ] || t=0$t; now=$now.$t; }
# status PATH: key, size, mtime (ns) of what it leads to.
status() {
    st=$(stat -L -c '%d:%i %s %Y %y' -- "$1" 2>/dev/null) || return 1
    # shellcheck disable=SC2086  # fields
    set -- $st
    key=$1 size=$2 mtime=$5
    case $mtime in *.*) mtime=${mtime#*.}000000000 ;; *) mtime=000000000 ;; esac
    mtime=$3${mtime%"${mtime#?????????}"}
}
# The time that `stat` itself began at, to count from: not every `date` knows %N.
status /proc/self
uptime_
start=${mtime%?????????} base=${mtime%???????} base=${base#"$start"} base=${base#0}
base=$((up - base))

# chunk PATH AT SIZE: these bytes of a file, packed or not, on standard output.
chunk() {
    [ "$3" -gt 0 ] || return 0
    tool=$(tool_of "$1")
    if [ -n "$tool" ]; then $tool -dc -- "$1" 2>/dev/null | tail -c "+$(($2 + 1))" | head -c "$3"; return; fi
    ( exec 3<"$1" || exit; [ "$2" -eq 0 ] || dd bs=1 skip="$2" count=0 <&3 2>/dev/null; dd bs="$3" count=1 <&3 2>/dev/null )
}
tool_of() { case $1 in *.gz) echo gzip ;; *.bz2) echo bzip2 ;; *.xz | *.lzma) echo xz ;; *.zst) echo zstd ;; esac; }
cut24() { hash=${1%% *}; hash=${hash%"${hash#????????????????????????}"}; }
# print_ PATH AT SIZE: their hash.
print_() { if [ "$3" -gt 0 ]; then cut24 "$(chunk "$1" "$2" "$3" | $shahash)"; else hash=-; fi; }

# hold PATH: a helper that keeps it open; `held` is its pid, `source_` where to read it.
hold() {
    exec 4<"$1" || return 1
    ( exec >/dev/null 2>&1; while kill -0 "$self"; do sleep 3; done ) <&4 4<&- &
    held=$!
    source_=/proc/$held/fd/0
    status /proc/$$/fd/4
    exec 4<&-
    helpers="$helpers $held"
    wanted_=$key
    while key=; status "$source_"; [ "$key" != "$wanted_" ]; do kill -0 $held 2>/dev/null || return 1; done
}

# add I S SOURCE HELD OFFSET: a generation at the end of its log.
add() {
    eval "gens_$1=\"\${gens_$1-} $2\"; next_$1=$(($2 + 1)); S_$1_$2=\$3; h_$1_$2=\$4; o_$1_$2=\$5; z_$1_$2=\$5"
    eval "k_$1_$2=\$key; m_$1_$2=\$mtime; hl_$1_$2=0; hh_$1_$2=-; nl_$1_$2=0; nh_$1_$2=-; over_$1_$2=; copied_$1_$2=; quiet_$1_$2="
    uptime_
    eval "g_$1_$2=$up"
}
get() { eval "src=\$S_$1_$2 o=\$o_$1_$2 z=\$z_$1_$2 k=\$k_$1_$2 m=\$m_$1_$2 hl=\$hl_$1_$2 hh=\$hh_$1_$2 nl=\$nl_$1_$2 nh=\$nh_$1_$2 over=\$over_$1_$2 copied=\$copied_$1_$2"; }
# fits I S PATH: 2 when the path holds all that was read of it, 1 when it holds its beginning; in `fit`.
fits() {
    get "$1" "$2"
    fit=0
    print_ "$3" 0 "$hl"
    [ "$hash" = "$hh" ] || return 0
    print_ "$3" $((o - nl)) "$nl"
    if [ "$hash" = "$nh" ]; then fit=2; return 0; fi
    [ "$hl" -ge 64 ] || return 0
    n=$(chunk "$3" $((o - nl)) "$nl" | wc -c)
    [ "$n" -ge "$nl" ] || fit=1
}

# siblings I: what the log was renamed, copied or packed to, the oldest first, as lines `key size mtime name` in `found`.
siblings() {
    eval "dir=\$dir_$1 name=\$base_$1"
    stem=${name%.*} ext=.${name##*.}
    [ "$stem" != "$name" ] || ext=''
    found='' numbers=1 dates=1
    set +f
    for p in "$dir$name"[-._]* "$dir$stem"[-._]*; do
        set -f
        [ -f "$p" ] || continue
        n=${p#"$dir"} bare=$n
        if [ -n "$(tool_of "$p")" ]; then bare=${n%.*}; [ ! -e "$dir$bare" ] || continue; fi
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
        case "$found" in *" $n
"* | *" $bare
"*) continue ;; esac
        status "$p" || continue
        # Some packers keep whole seconds only.
        case $mtime in *000000000) mtime=${mtime%?????????}999999999 ;; esac
        found="$found$rest $key $size $mtime $n
"
    done
    set -f
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
    eval "told_$1="
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
        # shellcheck disable=SC2086  # fields
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
        if [ -n "$(tool_of "$n_")" ]; then source_=$dir$n_ held='' key=$k_ mtime=$m_; [ -f "$dir$n_" ] || { undo "$1" "$fresh_"; return 0; }
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
            # shellcheck disable=SC2086
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
    exec 3<"$src" || return 0
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
    # shellcheck disable=SC2086  # fields
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

unit() {
    eval "cursor=\$cursor_$1 name=\$unit_$1 after=\${after_$1-0}"
    uptime_
    [ $up -ge "$after" ] || return 0
    eval "after_$1=$((up + 50))"
    if [ "$cursor" = - ]; then where='-n 20'; else where="--after-cursor=$cursor"; fi
    # shellcheck disable=SC2086  # the cursor has no blanks
    out=$(journalctl -q --no-pager -o short-iso-precise --show-cursor -u "$name" $where 2>/dev/null) || { trouble "$1" 'journalctl failed'; return 0; }
    cursor=${out##*-- cursor: }
    out=${out%-- cursor: *}
    [ "$out" != "$cursor" ] && [ -n "$out" ] || return 0
    eval "cursor_$1=\$cursor told_$1="
    clock
    say "U $1 ${#out} $now $cursor"
    printf %s "$out" || exit 0
    say "E ${#out}"
    moved=1
}

read -r _
count=0
uptime_
while IFS= read -r line && [ "$line" != go ]; do
    rest=${line#* } i=${rest%% *}
    case $line in
        file*) rest=${rest#* } path=${rest#* }
            # shellcheck disable=SC2088  # the login's own, as it is written
            case $path in '~/'*) path=$HOME/${path#??} ;; esac
            case $path in */*) dir=${path%/*}/ ;; *) dir='' ;; esac
            eval "path_$i=\$path mode_$i=\${rest%% *} dir_$i=\$dir base_$i=\${path##*/} since_$i=$up next_$i=0 gens_$i= unit_$i=" ;;
        done*)
            # shellcheck disable=SC2086  # fields
            set -- $rest
            eval "known_$i=\"\${known_$i-} $2/$3 \""
            [ "$4" -lt 64 ] || eval "heads_$i=\"\${heads_$i-} $4:$5\"" ;;
        gen*)
            # shellcheck disable=SC2086  # fields
            set -- $rest
            eval "s=\$next_$i"
            key=$2 mtime=$5
            add "$i" "$s" '' '' "$3"
            eval "z_${i}_$s=\$4 hl_${i}_$s=\$6 hh_${i}_$s=\$7 nl_${i}_$s=\$8 nh_${i}_$s=\$9"
            [ "$key" != - ] || eval "over_${i}_$s=1" ;;
        unit*) rest=${rest#* }
            eval "cursor_$i=\${rest%% *} unit_$i=\${rest#* }" ;;
    esac
    [ "$i" -lt $count ] || count=$((i + 1))
done
nap=0.05
sleep 0.01 2>/dev/null || nap=1
beat=0
while :; do
    moved='' turn_=0
    while [ $turn_ -lt $count ]; do
        v "unit_$turn_"
        if [ -n "$V" ]; then unit $turn_; else turn $turn_; fi
        turn_=$((turn_ + 1))
    done
    uptime_
    if [ $up -gt $beat ]; then clock; say "P $now"; beat=$((up + 100)); fi
    [ -n "$moved" ] || sleep $nap
done
