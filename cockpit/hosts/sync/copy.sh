# Brings trees over with rsync, on the host that receives. Set before this text:
#   aside   folder for what undo needs and for partial files
#   once    private folder of this copy: key, limit, progress; removed at the end
#   pass_N  a function for each pair of paths: one rsync, its layer of `aside` as $1, the number of the round as $2
#   tree_N  where the pair lands; fresh_N is set when that was not there, or empty
# It says on standard output: `@at PAIR ROUND PROGRESS` now and then, `@round PAIR ROUND LIMIT`, `@end PAIR STATUS`, `@broken PAIR`
# when a pass was killed and may have left half files, and words.
export LC_ALL=C
cd || exit 1
umask 022
case $aside in /*) ;; *) aside=$PWD/$aside ;; esac
child=
teller=
# shellcheck disable=SC2154  # set before this text
over() {
    trap - EXIT TERM HUP INT
    [ -z "$teller" ] || kill "$teller" 2>/dev/null
    [ -z "$child" ] || kill "$child" 2>/dev/null
    rm -rf "$once"
}
trap over EXIT
trap 'over; exit 143' TERM HUP INT
(umask 077 && mkdir -p "$aside/partial" "$once") || exit 1
number=1
tell() {
    # rsync appends, so that what was told can be cut away: a line for each file would fill the disk.
    # A pause must hold no channel open.
    while { sleep 0.4 || sleep 1; } >/dev/null 2>&1 8<&- 9>&-; do
        line=$(tail -c 400 "$once/progress" | tr '\r' '\n' | grep -v '^$' | tail -n 1)
        : >"$once/progress"
        [ -z "$line" ] || echo "@at $1 $2 $line"
    done
}
# One round: a pass of rsync, until it ends by itself or is stopped for another limit. Leaves its exit status in `status`.
round() {
    while [ -d "$aside/$(printf %06d "$number")" ]; do number=$((number + 1)); done
    layer=$aside/$(printf %06d "$number")
    (umask 077 && mkdir "$layer" && : >"$layer/began" && : >"$once/progress") || exit 1
    limit=$(cat "$once/limit" 2>/dev/null)
    echo "@round $1 $2 ${limit:-0}"
    "pass_$1" "$layer" "$2" >>"$once/progress" 2>"$once/said" &
    child=$!
    echo "$child" >"$once/pid"
    tell "$1" "$2" &
    teller=$!
    wait "$child"
    status=$?
    child=
    kill "$teller" 2>/dev/null
    wait "$teller" 2>/dev/null
    teller=
    [ "$status" -gt 128 ] || : >"$layer/ended"
    line=$(tail -c 400 "$once/progress" | tr '\r' '\n' | grep -v '^$' | tail -n 1)
    [ -z "$line" ] || echo "@at $1 $2 $line"
    tail -n 20 "$once/said"
}
# A pair: rounds until one ends well. What breaks off is begun again, with a growing pause, for as long as rounds get on.
pair() {
    eval "mkdir -p -- \"\$tree_$1\"" || exit 1
    rounds=1
    failed=0
    while :; do
        round "$1" "$rounds"
        rounds=$((rounds + 1))
        if [ "$(cat "$once/limit" 2>/dev/null)" != "$limit" ]; then continue; fi
        case $status in
        0 | 24) break ;;
        10 | 12 | 19 | 20 | 30 | 35 | 255) ;;
        *) [ "$status" -gt 128 ] || break ;;
        esac
        failed=$((failed + 1))
        [ "$failed" -lt "${patience:-1}" ] || break
        echo "rsync ended with $status; going on where it was"
        sleep "$((failed < 10 ? failed : 10))"
    done
    echo "@end $1 $status"
    if eval "[ -n \"\$fresh_$1\" ]"; then
        # Not all know -print0; twice the same names do no harm.
        (eval "cd -- \"\$tree_$1\"" && { find . -print0 2>/dev/null || find . -exec printf '%s\0' {} +; }) >"$aside/came.$1.part" &&
            mv "$aside/came.$1.part" "$aside/came.$1"
    fi
    for layer in "$aside"/[0-9]*; do [ -f "$layer/ended" ] || { echo "@broken $1"; break; }; done
    case $status in 0 | 24) ;; *) exit "$status" ;; esac
}
