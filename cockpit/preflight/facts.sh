# What a host says of itself, a line each: `word value`. Its words are TOOLS, RIGHTS, SENDS and TAKES, each a list with a final
# empty word. Nothing is changed but a file that is made and removed where jobs are kept.
say() { printf '%s\t%s\n' "$1" "$2"; }
above() {
    at=$1
    while [ ! -e "$at" ] && [ "$at" != / ] && [ "$at" != . ]; do at=$(dirname "$at"); done
    echo "$at"
}
say now "$(date +%s.%N 2>/dev/null)"
say user "$(id -un) $(id -u)"
say system "$(uname -sr)"
say zone "$(date +%Z%z)"
say locale "${LC_ALL:-${LC_CTYPE:-${LANG:-none}}}"
while [ -n "$1" ]; do
    at=$(command -v "$1" 2>/dev/null)
    said=
    case $1 in rsync | tar) [ -z "$at" ] || said=$("$1" --version 2>&1 | head -n 1) ;; esac
    say tool "$1 ${at:-none} $said"
    shift
done
shift
while [ -n "$1" ]; do
    if [ "$(id -u)" = 0 ] || sudo -n -l -- "$1" >/dev/null 2>&1 || doas -n -C /etc/doas.conf "$1" >/dev/null 2>&1; then
        say right "yes $1"
    else
        say right "no $1"
    fi
    shift
done
shift
while [ -n "$1" ]; do
    if [ -e "$1" ]; then
        say holds "$(du -sk "$1" 2>/dev/null | cut -f 1) $(find "$1" 2>/dev/null | wc -l) $1"
    else
        say holds "none 0 $1"
    fi
    shift
done
shift
while [ -n "$1" ]; do
    at=$(above "$1")
    say room "$(df -Pk "$at" 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; echo "$free"; }) $(df -Pi "$at" 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; echo "${free:-none}"; }) $([ -w "$at" ] && echo yes || echo no) $1"
    shift
done
jobs=${COCKPIT_JOBS:-$HOME/.cockpit/jobs}
if why=$( (umask 077; mkdir -p "$jobs" && echo room >"$jobs/.preflight" && rm "$jobs/.preflight") 2>&1); then
    say jobs "$(df -Pk "$jobs" | tail -n 1 | { read -r _ _ _ free _; echo "$free"; }) $jobs"
else
    say jobs "no $why"
fi
say lock "$(readlink "${COCKPIT_LOCK:-/var/tmp/cockpit.lock}" 2>/dev/null)"
while read -r _ on kind options _; do
    case $on in /tmp | /var/tmp) case ,$options, in *,noexec,*) say noexec "$on $kind" ;; esac ;; esac
done </proc/mounts 2>/dev/null
for one in /sys/class/net/*/mtu; do
    { read -r mtu <"$one"; } 2>/dev/null && one=${one%/mtu} && [ "${one##*/}" != lo ] && say mtu "$mtu ${one##*/}"
done
say selinux "$(getenforce 2>/dev/null || echo none)"
if [ -r /sys/module/apparmor/parameters/enabled ]; then say apparmor "$(cat /sys/module/apparmor/parameters/enabled)"; fi
while IFS=: read -r name _ uid gid _; do
    [ "$uid" -lt 1000 ] || [ "$uid" -ge 60000 ] || say account "$name $uid $gid"
done </etc/passwd
