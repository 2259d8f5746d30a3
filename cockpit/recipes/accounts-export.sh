# recipe: Write down the users and groups of this host, with ids, password hashes, shells and SSH keys, for the other host
# group: files
# danger: low the file holds password hashes; only its owner may read it
# undo: removes the file, and its folder if that was made, or restores what was there
# param: file the file to write; its folder is made if only that is lacking
# param: least the lowest id that belongs to a person, default 1000
# param: most the highest, default 59999
# param: keys where keys lie in a home, default .ssh/authorized_keys
# needs: awk base64 setpriv|perl|su
# shellcheck shell=sh disable=SC2154

sane() {
    case $file in
        *"
"*) echo "the file is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the file is no absolute path: $file"; return 1 ;;
    esac
    case ${least:-1000}:${most:-59999} in
        :* | *: | *[!0-9:]*) echo "the lowest and the highest id are whole numbers"; return 1 ;;
    esac
    former=$file.before folder=${file%/*}
    folder=${folder:-/}
}

placed() {
    above=${folder%/*}
    [ -d "$folder" ] || [ -d "${above:-/}" ] || {
        echo "there is no folder $folder"
        return 1
    }
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

keys_of() {
    # In base64, of the user id $1 with the group $2 and the home $3. Read as that user, whose links lead no further than he may.
    # 9: there are none.
    # shellcheck disable=SC2016
    as_account "$1" "$2" "" \
        sh -c '[ -f "$1" ] && [ -r "$1" ] || exit 9; exec base64 < "$1"' sh "$3/${keys:-.ssh/authorized_keys}" < /dev/null
}

taken() {
    # `group NAME GID MEMBERS`, `user` with the fields of passwd, `shadow` with those of shadow, `key NAME TEXT`; colons between.
    least=${least:-1000} most=${most:-59999} awk -F: '
        function mine(id) { return id + 0 >= ENVIRON["least"] + 0 && id + 0 <= ENVIRON["most"] + 0 }
        FILENAME == "/etc/passwd" && mine($3) { user[$1]; print "user:" $1 ":" $3 ":" $4 ":" $5 ":" $6 ":" $7 }
        FILENAME == "/etc/shadow" && ($1 in user) { print "shadow:" $0 }
        FILENAME == "/etc/group" {
            if (mine($3)) print "group:" $1 ":" $3 ":" $4
            else { n = split($4, member, ","); for (i = 1; i <= n; i++) if (member[i] in user) print "member:" $1 ":" member[i] }
        }' /etc/passwd /etc/shadow /etc/group | LC_ALL=C sort
    while IFS=: read -r name _ id group _ home _; do
        case $id in "" | *[!0-9]*) continue ;; esac
        { [ "$id" -ge "${least:-1000}" ] && [ "$id" -le "${most:-59999}" ]; } || continue
        text=$(keys_of "$id" "$group" "$home")
        case $? in
            0) printf 'key:%s:%s\n' "$name" "$(printf '%s' "$text" | tr -d '\n')" ;;
            9) ;;
            *) echo "the keys of $name cannot be asked for" >&2 && return 1 ;;
        esac
    done < /etc/passwd
}

probe() {
    sane || return 2
    [ -r /etc/shadow ] || {
        echo "only root can read the password hashes"
        return 2
    }
    now=$(taken) || return 2
    [ "$now" = "$(cat "$file" 2> /dev/null)" ]
}

capture() {
    sane && placed || return
    if [ -e "$former" ]; then
        echo "$former is in the way"
        return 1
    fi
    if [ -e "$file" ]; then echo "file=there"; else echo "file=absent"; fi
    if [ -d "$folder" ]; then echo "folder=there"; else echo "folder=absent"; fi
}

apply() {
    sane && placed || return
    umask 077
    [ -d "$folder" ] || mkdir "$folder" || return
    rm -f "$file.new"
    lines=$(taken) || return
    printf '%s\n' "$lines" > "$file.new" || return
    if [ "${captured_file:-absent}" = there ] && [ ! -e "$former" ]; then
        cp -p "$file" "$former.new" && mv "$former.new" "$former" || return
    fi
    mv "$file.new" "$file" && echo "$(grep -c '^user:' "$file") users and $(grep -c '^group:' "$file") groups are written down"
}

verify() {
    # Each name that the system itself knows in this range is there with its id.
    sane || return 2
    getent passwd > /dev/null || return 2
    missing=$(getent passwd | file=$file least=${least:-1000} most=${most:-59999} awk -F: '
        BEGIN { while ((getline line < ENVIRON["file"]) > 0) { split(line, f, ":"); if (f[1] == "user") known[f[2] ":" f[3]] } }
        $3 + 0 >= ENVIRON["least"] + 0 && $3 + 0 <= ENVIRON["most"] + 0 && !(($1 ":" $3) in known) { print $1; exit }')
    if [ -n "$missing" ]; then
        echo "the file lacks $missing"
        return 1
    fi
    case $(ls -l "$file") in
        -???------*) echo "$(grep -c '^user:' "$file") users and $(grep -c '^key:' "$file") sets of keys are written down" ;;
        *)
            echo "others can read $file"
            return 1
            ;;
    esac
}

undo() {
    sane || return
    rm -f "$file.new" "$former.new" || return
    if [ "${captured_file:-there}" = absent ]; then
        rm -f "$file"
    elif [ -e "$former" ]; then
        mv "$former" "$file"
    fi || return
    if [ "${captured_folder:-there}" = absent ] && [ -d "$folder" ]; then rmdir "$folder" || return; fi
    echo "the file is as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$former" ] && [ ! -e "$file.new" ] || return 1
    [ "${captured_file:-there}" = there ] || [ ! -e "$file" ] || return 1
    [ "${captured_folder:-there}" = there ] || [ ! -e "$folder" ] || return 1
    echo "the file is as before"
}
