# shellcheck disable=SC2034,SC2086,SC2154  # one of the parts of a text; much is set by eval; what is not quoted is a number
# Units of the journal, the orders, and the loop.
unit() {
    eval "cursor=\$cursor_$1 name=\$unit_$1 after=\${after_$1-0}"
    uptime_
    [ $up -ge "$after" ] || return 0
    eval "after_$1=$((up + 50))"
    if [ "$cursor" = - ]; then where='-n 20'; else where="--after-cursor=$cursor"; fi
    # shellcheck disable=SC2086  # the cursor has no blanks
    out=$(journalctl -q --no-pager -o short-iso-precise --show-cursor -u "$name" $where 2>/dev/null) || { trouble "$1" 'journalctl failed'; return 0; }
    trouble "$1" ''
    cursor=${out##*-- cursor: }
    out=${out%-- cursor: *}
    [ "$out" != "$cursor" ] && [ -n "$out" ] || return 0
    eval "cursor_$1=\$cursor"
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
            set -- $rest
            eval "known_$i=\"\${known_$i-} $2/$3 \""
            [ "$4" -lt 64 ] || eval "heads_$i=\"\${heads_$i-} $4:$5\"" ;;
        gen*)
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
