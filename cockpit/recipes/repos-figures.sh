# recipe: Write down the repositories of this host, git and darcs, with refs, patches, hooks and modes, for the other host
# group: files
# danger: low it writes one file, of the figures
# undo: removes the figures, or restores what was there
# param: root the folder in which the repositories lie
# param: figures the file to write
# needs: find git setpriv|perl|su sha256sum stat
# shellcheck shell=sh disable=SC2154

sane() {
    case $root$figures in
        *"
"*) echo "a path is named over two lines"; return 1 ;;
    esac
    case $root:$figures in
        /*:/*) ;;
        *) echo "a path is not absolute"; return 1 ;;
    esac
    if [ ! -d "$root" ]; then
        echo "there is no folder $root"
        return 1
    fi
    if [ -n "$(find "$root" -name '*
*' -print | head -n 1)" ]; then
        echo "a name in $root goes over two lines"
        return 1
    fi
}

store() {
    # Where git keeps the repository $1, from the root on; nothing if it is none of git.
    if [ -f "$1/HEAD" ] && [ -d "$1/objects" ]; then echo "$1"
    elif [ -f "$1/.git/HEAD" ]; then echo "$1/.git"; fi
}

repositories() {
    (cd "$root" && find . -type d \( -name _darcs -o -name objects \) -prune -print) | sed -e 's,/_darcs$,,' -e 's,/objects$,,' -e 's,/[.]git$,,' | LC_ALL=C sort -u
}

as_account() (
    # Runs the program $4 … with the user id $1, the group id $2 and the further groups $3 (numbers with commas, or nothing). Old
    # systems have no setpriv. su comes last: it knows names only, and refuses an account that has expired.
    uid=$1 gid=$2 groups=$3
    shift 3
    if setpriv --reuid="$uid" true 2> /dev/null; then
        if [ -n "$groups" ]; then set -- --groups "$groups" -- "$@"; else set -- --clear-groups -- "$@"; fi
        exec setpriv --reuid="$uid" --regid="$gid" "$@"
    fi
    if perl -MPOSIX -e 1 2> /dev/null; then
        # shellcheck disable=SC2016
        PERL_BADLANG=0 exec perl -MPOSIX -e '
            my ($uid, $gid, $groups) = splice @ARGV, 0, 3;
            $) = join " ", $gid, split /,/, $groups || $gid;
            POSIX::setgid($gid) and POSIX::setuid($uid) and $> == $uid or die "user id $uid cannot be taken on: $!\n";
            exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n"' "$uid" "$gid" "$groups" "$@"
    fi
    name=$(getent passwd "$uid") || {
        echo "user id $uid has no name here, and without setpriv and Perl it cannot be taken on" >&2
        exit 2
    }
    text=
    for word in "HOME=$HOME" "PATH=$PATH" "$@"; do
        word=$(printf '%s.' "$word" | LC_ALL=C sed "s/'/'\\\\''/g")
        text="$text '${word%.}'"
    done
    exec su -s /bin/sh "${name%%:*}" -c "exec env$text"
)

owned() {
    # The program $2 … in the folder $1, as its owner if we are root: what a repository has run when it is read is his choice.
    (
        cd -- "$1" || exit
        shift
        [ "$(id -u)" = 0 ] || exec "$@"
        owner=$(stat -c %U .) groups=
        [ "$owner" = UNKNOWN ] || groups=$(id -G -- "$owner" | tr ' ' ,)
        HOME=/
        as_account "$(stat -c %u .)" "$(stat -c %g .)" "$groups" "$@"
    ) < /dev/null
}

of_darcs() {
    # Of the repository $1, by the darcs command $2 …, without the hooks that its preferences name.
    whole=$1/_darcs
    shift
    owned "$whole" darcs "$@" --repodir=.. --no-prehook --no-posthook
}

of_git() {
    # Of what git keeps in $1, by the git command $2 …
    whole=$1
    shift
    owned "$whole" git -c safe.directory='*' -c core.fsmonitor=false -c core.hooksPath=/dev/null --git-dir=. "$@"
}

taken() {
    # `REPOSITORY TAB what it has`: refs or patches, hooks with their modes, owner and mode.
    repositories | while IFS= read -r one; do
        {
            place=$root/$one
            if [ -d "$place/_darcs" ]; then
                echo "darcs patches $(of_darcs "$place" log --count 2> /dev/null) $(
                    of_darcs "$place" log --xml-output 2> /dev/null | sha256sum | cut -d ' ' -f 1
                )"
                hooks=$place/_darcs/prefs
            else
                inner=$(store "$place")
                [ -n "$inner" ] || exit
                echo "git HEAD $(of_git "$inner" symbolic-ref -q HEAD || owned "$inner" cat HEAD)"
                of_git "$inner" for-each-ref --format='git ref %(refname) %(objectname)'
                hooks=$inner/hooks
            fi
            stat -c 'folder %a %U %G' "$place"
            if [ -d "$hooks" ]; then
                # shellcheck disable=SC2016
                (cd "$hooks" && find . -type f ! -name '*.sample' -exec sha256sum {} + -exec stat -c 'mode of %n %a %U %G' {} + &&
                    find . -type l -exec sh -c 'for one; do printf "%s -> %s\n" "$one" "$(readlink "$one")"; done' sh {} +) |
                    sed 's/^/hook /'
            fi
        } | one=$one awk '{ print ENVIRON["one"] "\t" $0 }'
    done | LC_ALL=C sort
}

probe() {
    sane || return 2
    now=$(taken | sha256sum) || return 2
    [ "$now" = "$(sha256sum < "$figures" 2> /dev/null)" ]
}

capture() {
    sane || return
    if [ -e "$figures.before" ]; then
        echo "$figures.before is in the way"
        return 1
    fi
    if [ -f "$figures" ]; then echo "figures=there"; else echo "figures=absent"; fi
}

apply() {
    sane || return
    umask 077
    rm -f "$figures.new"
    taken > "$figures.new" || return
    if [ "${captured_figures:-absent}" = there ] && [ ! -e "$figures.before" ]; then
        cp -p "$figures" "$figures.before.new" && mv "$figures.before.new" "$figures.before" || return
    fi
    mv "$figures.new" "$figures" && echo "$(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') repositories are written down"
}

verify() {
    probe || {
        echo "the figures are not those of what is there now"
        return 1
    }
    if [ ! -s "$figures" ]; then
        echo "there are no repositories"
        return 1
    fi
    echo "the figures are those of $(cut -f 1 "$figures" | sort -u | wc -l | tr -d ' ') repositories"
}

undo() {
    sane || return
    rm -f "$figures.new" "$figures.before.new" || return
    if [ "${captured_figures:-there}" = absent ]; then
        rm -f "$figures"
    elif [ -e "$figures.before" ]; then
        mv "$figures.before" "$figures"
    fi || return
    echo "the figures are as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$figures.before" ] && [ ! -e "$figures.new" ] || return 1
    [ "${captured_figures:-there}" = there ] || [ ! -e "$figures" ] || return 1
    echo "the figures are as before"
}
