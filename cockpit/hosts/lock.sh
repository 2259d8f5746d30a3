# The lock of a host: who runs which plan since when. Its words are VERB LOCK TOKEN HOLDER.
#   hold   take it if it is free or ours; tell whose it is
#   show   tell whose it is
#   take   take it from whoever has it: the former holder's jobs cannot start any more
#   free   give it up, if it is ours
# It answers `ours`, `free`, `held HOLDER`, `took HOLDER` (the former one) or `no SENTENCE`.
# The lock is a symbolic link whose target is `TOKEN HOLDER`: made and replaced in one act, and it needs no room for data.
lock=$2 token=$3
held=$(readlink "$lock" 2>/dev/null)
case $held in "$token "*) ours=1 ;; *) ours= ;; esac
case $1 in
hold)
    if [ -n "$ours" ]; then echo ours; exit 0; fi
    if [ -z "$held" ] && why=$(ln -s "$token $4" "$lock" 2>&1); then echo ours; exit 0; fi
    held=$(readlink "$lock" 2>/dev/null)
    if [ -n "$held" ]; then echo "held ${held#* }"; else echo "no $lock cannot be made: $why"; fi
    ;;
show)
    if [ -n "$ours" ]; then echo ours; elif [ -n "$held" ]; then echo "held ${held#* }"; else echo "held nobody: it was given up"; fi
    ;;
take)
    if [ -n "$ours" ]; then echo ours; exit 0; fi
    if why=$({ ln -s "$token $4" "$lock.$$" && mv -f "$lock.$$" "$lock"; } 2>&1); then
        echo "took ${held#* }"
        echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) ${4} took this host from ${held#* }" >>"$lock.log" 2>/dev/null
    else
        rm -f "$lock.$$"
        echo "no $lock cannot be replaced: $why"
    fi
    ;;
free)
    [ -z "$ours" ] || rm -f "$lock"
    echo free
    ;;
esac
