# Runs a script as a job of its own session, once for each name, and tells a reader all it says and how it ended.
# Called as: sh -c TEXT cockpit-job NAME BYTES OUT ERR
#   NAME  the job; starting it twice runs it once
#   BYTES length of the script that follows on standard input; 0 attaches only
#   OUT, ERR  offsets from which its output is told
# It answers in frames on standard output: `O n`, `E n` (n bytes of output follow), `R status`, `G` gone without a status,
# `N` no such job, `B` the host was started anew since, `X sentence` it could not be started.
umask 077
jobs=${COCKPIT_JOBS:-$HOME/.cockpit/jobs}
job=$jobs/$1
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none)
since() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
if [ "$2" -gt 0 ]; then
    if ! mkdir -p "$jobs" 2>/dev/null || ! [ -w "$jobs" ]; then echo "X $jobs cannot be written"; exit 0; fi
    # A link that is lost in here hangs up: what was begun is cleared away then, so that it can be started again.
    trap : HUP
    if mkdir "$job" 2>/dev/null; then
        head -c "$2" >"$job/script.part" 2>/dev/null
        if [ "$(wc -c <"$job/script.part" 2>/dev/null || echo 0)" -ne "$2" ]; then
            rm -rf "$job"
            echo "X the script did not arrive whole, or there is no room in $jobs"
            exit 0
        fi
        mv "$job/script.part" "$job/script"
        : >"$job/out"
        : >"$job/err"
        apart=$(command -v setsid || command -v nohup)
        # shellcheck disable=SC2016  # expanded by the inner shell
        $apart sh -c '
            job=$1
            began=$(sed "s/^.*) //" "/proc/$$/stat" 2>/dev/null | cut -d" " -f20)
            echo "$$ ${began:-0} $2" >"$job/pid.part" && mv "$job/pid.part" "$job/pid"
            sh "$job/script" >"$job/out" 2>"$job/err" </dev/null
            status=$?
            echo "$status" >"$job/rc.part"
            sync "$job/rc.part" 2>/dev/null
            mv "$job/rc.part" "$job/rc"
        ' cockpit-job "$job" "$boot" </dev/null >/dev/null 2>&1 &
    fi
    trap - HUP
fi
[ -d "$job" ] || { echo N; exit 0; }
cd "$job" || exit 0
o=$3
e=$4
tell() {
    size=$(wc -c <"$2" 2>/dev/null || echo 0)
    size=$((size))
    if [ "$size" -gt "$3" ]; then
        n=$((size - $3))
        [ "$n" -le 65536 ] || n=65536
        echo "$1 $n"
        tail -c "+$(($3 + 1))" "$2" | head -c "$n"
        told=$n
    else
        told=0
    fi
}
waited=0
while :; do
    ended=
    [ -f rc ] && ended=1
    tell O out "$o"
    o=$((o + told))
    more=$told
    tell E err "$e"
    e=$((e + told))
    more=$((more + told))
    [ "$more" -eq 0 ] || continue
    if [ -n "$ended" ]; then echo "R $(cat rc)"; exit 0; fi
    if [ -f pid ]; then
        read -r pid began booted <pid
        if [ "$booted" != "$boot" ]; then echo B; exit 0; fi
        if ! kill -0 "$pid" 2>/dev/null || { [ "$began" != 0 ] && [ "$(since "$pid")" != "$began" ]; }; then
            [ -f rc ] && continue
            echo G
            exit 0
        fi
    else
        waited=$((waited + 1))
        if [ "$waited" -gt 200 ]; then echo G; exit 0; fi
    fi
    sleep 0.03 2>/dev/null || sleep 1
done
