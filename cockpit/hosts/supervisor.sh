# Runs a script as a job of its own session, once for each name, and tells a reader all it says and how it ended.
# Called as: sh -c TEXT cockpit-job NAME BYTES OUT ERR [LOCK TOKEN]
#   NAME  the job; starting it twice runs it once
#   BYTES length of the script that follows on standard input; 0 attaches only
#   OUT, ERR  offsets from which its output is told
#   LOCK, TOKEN  the host's lock, and what it must begin with for the job to start
# It answers in frames on standard output: `O n`, `E n` (n bytes of output follow), `R status`, `G` gone without a status,
# `N` no such job, `B` the host was started anew since, `F` another run holds the host, `X sentence` it could not be started.
# What must be atomic is a symbolic link: `run` (pid, when that pid began, boot-id) is made by the one process that runs the
# script, `rc` by the same when it has ended. Making a link needs no room for data.
# What lies here is private; what the script writes is as the login writes it.
mask=$(umask)
umask 077
jobs=${COCKPIT_JOBS:-$HOME/.cockpit/jobs}
job=$jobs/$1
boot=none
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
if [ "$2" -gt 0 ] && [ ! -L "$job/run" ]; then
    if ! mkdir "$job" 2>/dev/null && ! why=$(mkdir -p "$job" 2>&1); then
        echo "X the folder for jobs cannot be made: $why"
        exit 0
    fi
    part=$job/script.$$
    { head -c "$2" >"$part"; } 2>/dev/null
    if [ "$(wc -c 2>/dev/null <"$part" || echo 0)" -ne "$2" ]; then
        rm -f "$part"
        rmdir "$job" 2>/dev/null
        echo "X the script did not arrive whole, or there is no room in $jobs: $(df -P "$jobs" 2>/dev/null | tail -n 1)"
        exit 0
    fi
    if command -v setsid >/dev/null; then apart="setsid"; else apart="nohup"; fi
    # The substitution ends when the process has closed 3: the job is then claimed, by it or by another.
    # shellcheck disable=SC2016,SC2034  # expanded by the inner shell; nothing is said
    claimed=$($apart sh -c '
        job=$1 script=$5 mask=$6
        { read -r stat </proc/$$/stat; } 2>/dev/null
        lock=$3 token=$4 boot=$2
        set -- ${stat##*) }
        # The script of a start that comes second is not kept.
        ln -s "$$:${20:-0}:$boot" "$job/run" 2>/dev/null || { rm -f "$script"; exit 0; }
        exec 3>&-
        if [ -n "$lock" ]; then
            case $(readlink "$lock") in "$token"*) ;; *) ln -s fenced "$job/rc"; exit 0 ;; esac
        fi
        # Whoever ends the group gently is to learn how the script ended; caught, not ignored: the script inherits that.
        trap : TERM INT HUP
        (umask "$mask" && exec sh "$script") >"$job/out" 2>"$job/err" </dev/null
        status=$?
        # Nobody ends the process that keeps the status.
        trap "" TERM INT HUP
        ln -s "$status" "$job/rc"
    ' cockpit-job "$job" "$boot" "${5:-}" "${6:-}" "$part" "$mask" 3>&1 </dev/null >/dev/null 2>&1 &)
    if [ ! -L "$job/run" ]; then echo "X no process could be started for it"; exit 0; fi
fi
if [ ! -L "$job/run" ]; then echo N; exit 0; fi
cd "$job" || exit 0
run=
o=$3
e=$4
tell() {
    told=0
    [ -s "$2" ] || return
    size=$(($(wc -c <"$2" 2>/dev/null || echo 0)))
    if [ "$size" -gt "$3" ]; then
        told=$((size - $3))
        [ "$told" -le 262144 ] || told=262144
        echo "$1 $told"
        tail -c "+$(($3 + 1))" "$2" | head -c "$told"
    fi
}
runs() {
    [ -n "$run" ] || run=$(readlink run)
    [ "${run##*:}" = "$boot" ] || return 1
    pid=${run%%:*} began=${run#*:}
    began=${began%%:*}
    kill -0 "$pid" 2>/dev/null || return 1
    [ "$began" != 0 ] || return 0
    stat=
    { read -r stat <"/proc/$pid/stat"; } 2>/dev/null
    # shellcheck disable=SC2086  # its words are what is wanted
    set -- ${stat##*) }
    [ "${1:-Z}" != Z ] && [ "${20:-}" = "$began" ]
}
looks=0
while :; do
    # Whether it runs is asked before its output is read: what it says last is told.
    ended=
    if [ -L rc ]; then ended=R; elif ! runs; then ended=G; fi
    tell O out "$o"
    o=$((o + told))
    more=$told
    tell E err "$e"
    e=$((e + told))
    more=$((more + told))
    if [ "$more" -ge 262144 ] || { [ "$more" -gt 0 ] && [ "$ended" ]; }; then continue; fi
    if [ "$ended" = R ]; then
        rc=$(readlink rc)
        if [ "$rc" = fenced ]; then echo F; else echo "R $rc"; fi
        exit 0
    fi
    if [ "$ended" = G ]; then
        [ -L rc ] && continue
        if [ "${run##*:}" = "$boot" ]; then echo G; else echo B; fi
        exit 0
    fi
    # Each look costs a process: the shortest naps are for jobs that are.
    looks=$((looks + 1))
    if [ "$looks" -lt 20 ]; then nap=0.002; elif [ "$looks" -lt 40 ]; then nap=0.02
    elif [ "$looks" -lt 100 ]; then nap=0.05; else nap=0.1; fi
    sleep "$nap" 2>/dev/null || sleep 1
done
