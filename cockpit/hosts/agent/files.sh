# shellcheck disable=SC2034,SC2086,SC2154  # one of the parts of a text; much is set by eval; what is not quoted is a number
# Follows logs of the host it runs on, as follow.py does, where there is no Python: POSIX sh, a stat that knows -c, dd, /proc.
# It says and reads what cockpit/hosts/frames.py describes. What belongs to generation S of log I is in variables named X_I_S,
# what belongs to log I in X_I. A generation is held open by a helper that ends with this shell, and read through its /proc.
# It is sent in four parts, one behind the other: files.sh (this), generations.sh, reading.sh, follow.sh.
LC_ALL=C
export LC_ALL
IFS=' '
set -f
finger=4096 quantum=131072 begin=4096 grace=100 settle=2 linger=30000 agree=10
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
    facts_ $st
}
facts_() {
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
    # Without `command` a file that is gone meanwhile would end this shell.
    { command exec 4<"$1"; } 2>/dev/null || return 1
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
