# recipe: Freeze a tree by taking its write bits, with exceptions; the modes of before are kept in a file and restored exactly
# group: files
# danger: high whoever writes there is refused; root is not
# undo: gives each path the mode it had
# param: path the folder to freeze
# param: except paths inside that stay writable, one a line (optional)
# param: store the file to keep the modes of before in, where no user can write; default PATH.modes-before-freeze
# param: user who writes there, for the proof; default the owner of the folder
# param: others `refuse` (default) or `ignore` processes that this login may not look into; only root sees all, as with `become`
# needs: find stat awk readlink su
# shellcheck shell=sh disable=SC2154

# perl is not needed, and used where it is: without it 20,000 paths take half a minute, and sockets and pipes cannot be frozen.
export LC_ALL=C
nl='
'
fds='/proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5 /proc/self/fd/6 /proc/self/fd/7 /proc/self/fd/8 /proc/self/fd/9'

sane() {
    case $path${store-} in
        *"
"*) echo "the path is named over two lines"; return 1 ;;
    esac
    case $path in
        / | //) echo "the root of the file system is not frozen like that"; return 1 ;;
        /*) ;;
        *) echo "this is no absolute path: $path"; return 1 ;;
    esac
    if [ ! -d "$path" ] || ! at=$(readlink -f -- "$path"); then
        echo "$path is no folder"
        return 1
    fi
    kept=${store:-$at.modes-before-freeze}
    case $kept in
        /*) ;;
        *) echo "the file for the modes is no absolute path: $kept"; return 1 ;;
    esac
    if ! folder=$(readlink -f -- "${kept%/*}/.") || [ ! -d "$folder" ]; then
        echo "there is no folder for the modes: ${kept%/*}"
        return 1
    fi
    kept=${folder%/}/${kept##*/}
    case $kept in "$at"/*) echo "the modes of before cannot be kept inside the tree"; return 1 ;; esac
    who=${user:-$(stat -c %U "$at")} me=$(id -u)
    if ! id -u -- "$who" > /dev/null 2>&1; then
        echo "there is no user $who"
        return 1
    fi
    if [ "$me" != 0 ] && [ "$me" != "$(id -u -- "$who")" ]; then
        echo "only root can try whether $who can write: use become"
        return 1
    fi
    if ! [ -r /proc/self/status ]; then
        echo "there is no /proc here: what a path has become cannot be seen"
        return 1
    fi
    while IFS= read -r open; do
        [ -n "$open" ] || continue
        case $open in "$at"/* | [!/]*) ;; *) echo "what is to stay writable does not lie in $at: $open"; return 1 ;; esac
    done << END
${except-}
END
}

unseen() {
    # A process of which this login may not see what it runs out of. Those of the kernel, and those that have ended, have no memory.
    # Where the processes of others are hidden altogether, the first one is, too.
    if ! [ -r /proc/1/status ]; then echo 1 && return; fi
    for process in /proc/[0-9]*; do
        [ -e "$process/cwd/." ] || readlink "$process/cwd" > /dev/null 2>&1 || ! grep -qs '^VmSize:' "$process/status" || break
        process=
    done
    [ -n "$process" ] && echo "${process#/proc/}"
}

seen_all() {
    case ${others:-refuse} in
        ignore) return 0 ;;
        refuse) ;;
        *) echo "others is refuse or ignore"; return 1 ;;
    esac
    hidden=$(unseen) || return 0
    echo "process $hidden cannot be looked into by this login, and may use $1: become root, or let others be ignored"
    return 1
}

able() {
    # What is done forward has to be seen, too.
    sane && seen_all "a file of $at"
}

tree() {
    # find over the tree without the exceptions; what follows are its tests.
    set -- -o "$@"
    while IFS= read -r open; do
        [ -n "$open" ] || continue
        case $open in /*) ;; *) open=$at/$open ;; esac
        set -- -o -path "$(printf '%s' "${open%/}" | sed 's/[][*?\\]/\\&/g')" -prune "$@"
    done << END
${except-}
END
    shift
    # find wants to come back to where it began.
    (cd / && LC_ALL=C find "$at" "$@")
}

writable() {
    # A link has no mode of its own.
    tree ! -type l -perm /222 "$@"
}

unfrozen() {
    # The first path that can be written, as $left. One that goes while it is looked at is no fault.
    left=$(writable -print 2>&1 | awk '
        /^find: .*: No such file or directory$/ { next }
        /^find: / { first = $0; exit }
        /^\// && first == "" { first = $0 }
        END { print first }')
    case $left in "find: "*) ;; *) [ -d "$at" ] && return ;; esac
    echo "not all of $at can be looked into: ${left:-it is gone}"
    return 1
}

probe() {
    able || return 2
    [ -r "$kept" ] || return 1
    unfrozen || return 2
    [ -z "$left" ]
}

capture() {
    able || return
    if [ -e "$kept" ]; then
        echo "$kept is there: another freeze keeps its modes in it"
        return 1
    fi
    strange=$(tree -name "*$nl*" -print | head -n 1)
    if [ -n "$strange" ]; then
        echo "a name of two lines cannot be written down: $strange…"
        return 1
    fi
    if ! with_perl; then
        strange=$(writable ! -type f ! -type d -print | head -n 1)
        if [ -n "$strange" ]; then
            echo "no file and no folder, and there is no perl to change it safely: $strange. Name it in except"
            return 1
        fi
    fi
    echo "modes=$(tree ! -type l -exec stat -c '%a %n' {} + | sort | sha256sum | cut -d ' ' -f 1)"
}

marked() {
    # MODE FILESYSTEM:INODE:OWNER NAME of each path, `.` for the file system of the tree, whose number a restart may change.
    # A name of two lines would be taken for two paths.
    tree -name "*$nl*" -prune -o ! -type l -perm /222 -exec stat -c '%a %d:%i:%u %n' {} + |
        sed "s/^\([0-7]* \)$(stat -c %d "$at"):/\1.:/"
}

# shellcheck disable=SC2094  # what is open is compared with the name
noted() {
    # The modes of before, if nobody has put something else in their place; none when none were noted yet.
    if [ ! -e "$kept" ] && [ ! -L "$kept" ]; then return; fi
    {
        [ "$(readlink /proc/self/fd/3)" = "$kept" ] && [ "$(stat -L -c %u:%a /proc/self/fd/3)" = "$me:600" ] && cat <&3 && return
    } 3< "$kept"
    echo "$kept is not the file that was written: whose is it?" >&2
    return 1
}

pass() {
    # Modes are on the disk before any of them is taken, and only what is noted there is changed.
    was=$(noted) && now=$(marked) && rm -f "$kept.new" || return
    (
        umask 077
        # Not through a link that somebody leaves there.
        set -C
        printf '%s\n' "$was" '' "$now" | awk '
            { path = $0; sub(/^[0-7]* /, "", path) }
            path != "" && !(path in known) { known[path]; print }' > "$kept.new"
    ) && mv "$kept.new" "$kept" && noted > /dev/null || return
    wrong=$(printf '%s\n' "$now" | sed -n 's/^[0-7]* /a-w /p' | given_all | awk 'NR == 1')
    [ -z "$wrong" ] || {
        echo "this cannot have its write bits taken: $wrong"
        return 1
    }
}

apply() {
    able || return
    tries=0
    # What appeared during one pass is caught by the next.
    while :; do
        pass || return
        left=
        if unfrozen > /dev/null && [ -z "$left" ]; then break; fi
        tries=$((tries + 1))
        if [ "$tries" -ge 5 ]; then
            unfrozen && echo "writable paths keep appearing: $left"
            return 1
        fi
    done
    echo "write bits taken from $(wc -l < "$kept" | tr -d ' ') paths in $at; root is not stopped by that"
}

tries_to_write() {
    # Whether that user can make a file in the folder.
    if [ "$me" != 0 ]; then
        mkdir "$at/.cockpit-freeze" 2> /dev/null && rmdir "$at/.cockpit-freeze"
        return
    fi
    export at
    # shellcheck disable=SC2016
    su -s /bin/sh "$who" -c 'mkdir "$at/.cockpit-freeze" 2> /dev/null && rmdir "$at/.cockpit-freeze"' < /dev/null
}

verify() {
    able && unfrozen || return 2
    if [ -n "$left" ]; then
        echo "this can still be written: $left"
        return 1
    fi
    if [ "$(id -u -- "$who")" != 0 ] && tries_to_write; then
        echo "$who can still write in $at"
        return 1
    fi
    # A file that is open stays open.
    # shellcheck disable=SC2012
    held=$(ls -l /proc/[0-9]*/fd 2> /dev/null | at=$at awk '
        /^\/proc\// { split($0, word, "/"); next }
        { to = substr($0, index($0, " -> ") + 4) }
        $1 ~ /^l.w/ && index(to, ENVIRON["at"] "/") == 1 { print word[3] " " to }')
    held=$([ -z "$held" ] || { printf '%s\n' "$held" '' && tree -type f -print; } | awk '
        !frozen && $0 == "" { frozen = 1; next }
        !frozen { name = $0; sub(/^[0-9]* /, "", name); by[name] = $0; next }
        $0 in by { print by[$0]; exit }')
    if [ -n "$held" ]; then
        echo "process ${held%% *} has ${held#* } open for writing from before: restart it"
        return 1
    fi
    case ${others:-refuse} in
        refuse) rest="root is not stopped" ;;
        *) rest="root is not stopped, nor who has a file open and could not be seen" ;;
    esac
    if [ "$(id -u -- "$who")" = 0 ]; then
        echo "no write bit is left in $at, but its owner is root, whom modes do not stop"
    else
        echo "$who cannot write in $at, and no write bit is left; $rest"
    fi
}

with_perl() {
    perl -MPOSIX -MFcntl -e 1 2> /dev/null
}

given_all() {
    # Its mode to each path of lines `MODE MARK NAME`; what is gone, or is another file by now, is let be. Prints what has not got it.
    # Users can put a link in the place of a path, or of a folder of it, at any time: each is opened, and what is open is changed,
    # if it is this very path, behind no link, and still what was noted.
    top=$(stat -c %d "$at")
    if with_perl; then given_by_perl; else given_by_shell; fi
}

given_by_perl() {
    top=$top perl -e '
        use strict; use POSIX (); use Fcntl;
        # The last one is O_PATH, which opens anything and reads nothing. Kernels before 2.6.39 do not know it, and open.
        my $how = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | 010000000;
        binmode $_ for *STDIN, *STDOUT;
        while (my $line = <STDIN>) {
            chomp $line;
            my ($mode, $mark, $name) = split / /, $line, 3;
            my $fd = POSIX::open($name, $how);
            if (defined $fd) {
                my $open = "/proc/self/fd/$fd";
                my ($device, $inode, $now, undef, $owner) = stat $open;
                $device = "." if $device eq $ENV{top};
                my $theirs = readlink($open) ne $name || "$device:$inode:$owner" ne $mark;
                my $given = $theirs || chmod $mode eq "a-w" ? $now & 07555 : oct $mode, $open;
                POSIX::close($fd);
                next if $given;
            }
            print "$name\n" if lstat $name and ! -l _;
        }'
}

given_by_shell() {
    # As many at one stroke as a shell can have open.
    many=''
    set --
    while IFS= read -r line; do
        if [ $# = 7 ] || [ "${line%% *}" != "$many" ]; then
            given_each "$@"
            set --
        fi
        many=${line%% *}
        set -- "$@" "${line#* }"
    done
    given_each "$@"
}

given_each() {
    # $many to each of `MARK NAME`. Prints what has not got it.
    if given_seven "$@" 2> /dev/null; then return; fi
    for one; do
        mark=${one%% *} name=${one#* }
        given 2> /dev/null || { [ ! -e "$name" ] || printf '%s\n' "$name"; }
    done
}

# shellcheck disable=SC2012,SC2086  # these are seven words, and only ls shows the ends of many links at once everywhere
given_seven() {
    # $many to seven of `MARK NAME`; fails where one of them is not what it was.
    [ $# = 7 ] || return
    names='' marks=''
    for one; do
        name=${one#* }
        [ ! -L "$name" ] && { [ -f "$name" ] || [ -d "$name" ]; } || return
        names="$names$nl$name" marks="$marks$nl${one%% *}"
    done
    {
        [ "$nl$(ls -ln $fds | sed 's/^[^>]*> //')" = "$names" ] &&
            [ "$nl$(stat -L -c %d:%i:%u $fds | sed "s/^$top:/.:/")" = "$marks" ] && chmod -- "$many" $fds
    } 3< "${1#* }" 4< "${2#* }" 5< "${3#* }" 6< "${4#* }" 7< "${5#* }" 8< "${6#* }" 9< "${7#* }"
}

given() {
    # $many to $name.
    if [ -L "$name" ]; then return; fi
    [ -f "$name" ] || [ -d "$name" ] || return
    { ! same || chmod -- "$many" /proc/self/fd/3; } 3< "$name"
}

same() {
    # Whether what is open is the path $name, and what was noted as $mark.
    [ "$(readlink /proc/self/fd/3)" = "$name" ] && now=$(stat -L -c %d:%i:%u /proc/self/fd/3) || return
    [ "${now%%:*}" != "$top" ] || now=.:${now#*:}
    [ "$now" = "$mark" ]
}

undo() {
    sane && was=$(noted) && rm -f "$kept.new" || return
    if [ -e "$kept" ]; then
        # Those of one mode together.
        wrong=$(printf '%s\n' "$was" | sort | at=$at awk '
            { name = $0; sub(/^[^ ]* [^ ]* /, "", name) }
            name == ENVIRON["at"] || index(name, ENVIRON["at"] "/") == 1' | given_all | awk 'NR == 1')
        if [ -n "$wrong" ]; then
            echo "this has not got its mode back: $wrong"
            return 1
        fi
        rm -f "$kept" || return
    fi
    echo "each path has the mode it had"
}

verify_undo() {
    sane || return 2
    if [ -e "$kept" ]; then
        echo "$kept is still there"
        return 1
    fi
    if [ "$(id -u -- "$who")" != 0 ] && ! tries_to_write; then
        case $(stat -c %A "$at") in
            ??w*)
                [ "$(stat -c %U "$at")" != "$who" ] || {
                    echo "$who cannot write in $at"
                    return 1
                }
                ;;
        esac
    fi
    now=$(tree ! -type l -exec stat -c '%a %n' {} + | sort | sha256sum | cut -d ' ' -f 1)
    if [ "$now" = "${captured_modes-}" ]; then
        echo "each path has the mode it had"
    else
        echo "each path has the mode it had; paths came or went since"
    fi
}
