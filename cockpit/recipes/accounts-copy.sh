# recipe: Make the users and groups of an export with the same ids, password hashes, shells and SSH keys
# group: files
# danger: low people can log in here as they do on the other host
# undo: removes what it made, gives back what it changed; homes that hold anything stay
# param: file the export of the other host, as accounts-export writes it
# param: keys where keys lie in a home, default .ssh/authorized_keys
# needs: useradd usermod userdel groupadd groupdel gpasswd chpasswd passwd chage getent setpriv|perl|su base64 sha256sum awk
# shellcheck shell=sh disable=SC2154,SC2030,SC2031

sane() {
    if [ ! -r "$file" ] || [ ! -f "$file" ]; then
        echo "there is no export at $file"
        return 1
    fi
    wrong=$(LC_ALL=C awk -F: '
        function name(word) { return word ~ /^[A-Za-z_][A-Za-z0-9_.-]*[$]?$/ && length(word) <= 32 }
        function number(word) { return word ~ /^[0-9]+$/ }
        $1 == "user" && NF == 7 && name($2) && number($3) && number($4) && $6 ~ /^\// { users++; next }
        $1 == "group" && NF == 4 && name($2) && number($3) && $4 !~ /[^A-Za-z0-9_.,$-]/ { next }
        $1 == "member" && NF == 3 && name($2) && name($3) { next }
        $1 == "shadow" && NF == 10 && name($2) { next }
        $1 == "key" && NF == 3 && name($2) && $3 !~ /[^A-Za-z0-9+\/=]/ { next }
        { print "line " NR; exit }
        END { if (!users) print "no user in it" }' "$file" | head -n 1)
    if [ -n "$wrong" ]; then
        echo "this is no export of accounts: $wrong"
        return 1
    fi
}

collisions() {
    # Names that are another id here, and ids that are another name.
    LC_ALL=C awk -F: '
        FILENAME == "/etc/passwd" { uid[$1] = $3; owner[$3] = $1; next }
        FILENAME == "/etc/group" { gid[$1] = $3; holder[$3] = $1; next }
        $1 == "user" && ($2 in uid) && uid[$2] != $3 { print "user " $2 " is " $3 " there and " uid[$2] " here"; next }
        $1 == "user" && ($3 in owner) && owner[$3] != $2 { print "id " $3 " is " $2 " there and " owner[$3] " here"; next }
        $1 == "group" && ($2 in gid) && gid[$2] != $3 { print "group " $2 " is " $3 " there and " gid[$2] " here"; next }
        $1 == "group" && ($3 in holder) && holder[$3] != $2 { print "group id " $3 " is " $2 " there and " holder[$3] " here" }
    ' /etc/passwd /etc/group "$file"
}

lines() {
    # The export's lines of a kind ($1), of one name if $2 is given, without the kind.
    kind=$1 name=${2-} awk -F: '$1 == ENVIRON["kind"] && (ENVIRON["name"] == "" || $2 == ENVIRON["name"])' "$from" | cut -d : -f 2-
}

here() {
    # The line of $2 in the file $1 of this host.
    name=$2 awk -F: '$1 == ENVIRON["name"]' "/etc/$1"
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

as_user() {
    # The program $2 … as the user and group `ID:GROUP` in $1: what he has put in his home leads no further than he may.
    ids=$1
    shift
    as_account "${ids%:*}" "${ids#*:}" "" "$@"
}

ids_of() {
    # ID:GROUP of the user $1 in the export.
    (from=$file && lines user "$1") | cut -d : -f 2,3
}

keys_of() {
    # The keys in base64 of the user $1 with the home $2.
    # shellcheck disable=SC2016
    as_user "$(ids_of "$1")" sh -c '[ -f "$1" ] && [ -r "$1" ] && exec base64 < "$1"' sh "$2/${keys:-.ssh/authorized_keys}" \
        < /dev/null | tr -d '\n'
}

lacking() {
    # What of the export does not hold here, as the system answers, not as the files say.
    from=$file
    collisions
    { getent passwd | sed 's/^/P:/'; getent shadow | sed 's/^/S:/'; getent group | sed 's/^/G:/'; cat -- "$file"; } | LC_ALL=C awk -F: '
        $1 == "P" { user[$2] = $4 ":" $5 ":" $6 ":" $7 ":" $8 }
        $1 == "S" { shadow[$2] = substr($0, 3) }
        $1 == "G" { group[$2] = "," $5 "," }
        $1 == "user" && user[$2] != $3 ":" $4 ":" $5 ":" $6 ":" $7 { print "user " $2 }
        $1 == "shadow" && shadow[$2] != substr($0, 8) { print "password of " $2 }
        $1 == "group" && !($2 in group) { print "group " $2; next }
        $1 == "group" {
            n = split($4, member, ",")
            for (i = 1; i <= n; i++) if (!index(group[$2], "," member[i] ",")) print member[i] " in group " $2
        }'
    lines key | while IFS=: read -r name text; do
        home=$(lines user "$name" | cut -d : -f 5)
        [ "$(keys_of "$name" "$home")" = "$text" ] || echo "keys of $name"
    done
}

probe() {
    sane || return 2
    [ -z "$(lacking | head -n 1)" ]
}

before() {
    # A sum over what undo restores: what others have made of these groups meanwhile is theirs.
    write_down | LC_ALL=C awk -F: '
        FILENAME != "-" { if ($1 == "group") ours[$2] = "," $4 ","; next }
        /^no/ { next }
        $1 == "group" {
            n = split($4, member, ","); text = $1 ":" $2 ":" $3
            for (i = 1; i <= n; i++) if (index(ours[$2], "," member[i] ",")) text = text ":" member[i]
            print text; next
        }
        { print }' "$file" - | sha256sum | cut -c 1-20
}

capture() {
    sane || return
    echo "run=$(date +%s)-$$"
    echo "before=$(before)"
}

write_down() {
    # What this host has of the names in the export, before anything is changed.
    from=$file
    lines user | while IFS=: read -r name _ _ _ home _; do
        line=$(here passwd "$name")
        if [ -n "$line" ]; then
            printf 'user:%s\nshadow:%s\n' "$(printf '%s' "$line" | cut -d : -f 1,3-)" "$(here shadow "$name")"
        fi
        place=$home/${keys:-.ssh/authorized_keys}
        if [ ! -e "$home" ]; then printf 'nohome:%s\n' "$name"; elif [ ! -e "${place%/*}" ]; then printf 'nofolder:%s\n' "$name"; fi
        if [ -e "$place" ]; then printf 'key:%s:%s\n' "$name" "$(keys_of "$name" "$home")"; fi
    done
    # A group with the name of a user goes with him, even if it is not in the export.
    { lines group; lines user; } | cut -d : -f 1 | LC_ALL=C sort -u | while IFS= read -r name; do
        line=$(here group "$name")
        if [ -n "$line" ]; then printf 'group:%s\n' "$(printf '%s' "$line" | cut -d : -f 1,3-)"; fi
    done
}

make_groups() {
    lines group | while IFS=: read -r name id _; do
        [ -n "$(here group "$name")" ] || groupadd -g "$id" -- "$name" || exit
    done
}

make_user() {
    # From the fields of passwd in $name … $shell: made, or made so.
    line=$(here passwd "$name")
    if [ -z "$line" ]; then
        useradd -N -M -u "$id" -g "$group" -c "$words" -d "$home" -s "$shell" -- "$name"
    elif [ "$(printf '%s' "$line" | cut -d : -f 3-)" != "$id:$group:$words:$home:$shell" ]; then
        usermod -g "$group" -c "$words" -d "$home" -s "$shell" -- "$name"
    fi
}

set_password() {
    # From a line of shadow in $1, over standard input: what stands on a command line, everybody sees.
    IFS=: read -r name hash last min max warn inactive expire _ << END
$1
END
    [ "$(here shadow "$name")" != "$1" ] || return 0
    if [ -n "$hash" ]; then printf '%s:%s\n' "$name" "$hash" | chpasswd -e; else passwd -d -- "$name" > /dev/null; fi &&
        chage -d "${last:--1}" -m "${min:--1}" -M "${max:--1}" -W "${warn:--1}" -I "${inactive:--1}" -E "${expire:--1}" -- "$name"
}

set_keys() {
    # The keys in base64 in $2 for the user $1 with the home $3, written as himself.
    [ "$(keys_of "$1" "$3")" != "$2" ] || return 0
    owner=$(ids_of "$1")
    if [ ! -e "$3" ]; then mkdir -p "$(dirname "$3")" && mkdir -m 700 "$3"; fi || return
    if grep -qxF -e "nohome:$1" "$was"; then chown -h "$owner" "$3"; fi || return
    # A file that is there keeps its owner, group and mode.
    # shellcheck disable=SC2016
    printf '%s' "$2" | base64 -d | as_user "$owner" sh -c '
        umask 077
        { [ -d "${1%/*}" ] || mkdir -m 700 "${1%/*}"; } && rm -f "$1.new" && cat > "$1.new" || exit
        if [ -e "$1" ]; then cat "$1.new" > "$1" && rm -f "$1.new"; else mv "$1.new" "$1"; fi' sh "$3/${keys:-.ssh/authorized_keys}" || {
        echo "$1 may not write $3/${keys:-.ssh/authorized_keys}: is it a link, or somebody else's?"
        return 1
    }
}

apply() {
    sane || return
    bad=$(collisions)
    if [ -n "$bad" ]; then
        echo "nothing is changed, ids collide: $(printf '%s' "$bad" | tr '\n' ';' | sed 's/;/; /g')"
        return 1
    fi
    was=$file.was.${captured_run:-none}
    if [ ! -e "$was" ]; then (umask 077 && write_down > "$was.new") && mv "$was.new" "$was" || return; fi
    from=$file
    make_groups || return
    lines user | while IFS=: read -r name id group words home shell; do make_user || exit; done || return
    lines shadow | while IFS= read -r line; do set_password "$line" || exit; done || return
    lines group | while IFS=: read -r name _ members; do
        printf '%s\n' "$members" | tr , '\n' | while IFS= read -r member; do
            case ,$(here group "$name" | cut -d : -f 4), in *,"$member",*) continue ;; esac
            [ -z "$member" ] || gpasswd -a "$member" "$name" > /dev/null || exit
        done || exit
    done || return
    lines key | while IFS=: read -r name text; do set_keys "$name" "$text" "$(lines user "$name" | cut -d : -f 5)" || exit; done || return
    left=$(lines member | tr : ' ' | awk '{ print $2 " in " $1 }' | tr '\n' ',' | sed 's/,$//; s/,/, /g')
    echo "$(lines user | wc -l | tr -d ' ') users are here${left:+; not put into system groups: $left}"
}

verify() {
    sane || return 2
    from=$file
    wrong=$(lacking | head -n 1)
    if [ -n "$wrong" ]; then
        echo "not as in the export: $wrong"
        return 1
    fi
    echo "$(lines user | wc -l | tr -d ' ') users and $(lines group | wc -l | tr -d ' ') groups are here as in the export"
}

forget_keys() {
    # Gives back the keys of the user $1 with the home $2, and takes away the folders that were made for them.
    place=$2/${keys:-.ssh/authorized_keys} owner=$(ids_of "$1")
    old=$(from=$was && lines key "$1")
    if [ -e "$2" ]; then as_user "$owner" rm -f "$place.new" 2> /dev/null < /dev/null; fi
    if [ -n "$old" ]; then
        set_keys "$1" "${old#*:}" "$2"
        return
    fi
    [ -e "$2" ] || return 0
    if [ "$(keys_of "$1" "$2")" = "$(from=$file && lines key "$1" | cut -d : -f 2)" ]; then
        as_user "$owner" rm -f "$place" 2> /dev/null < /dev/null
        ! as_user "$owner" test -e "$place" || { echo "$place cannot be removed"; return 1; }
    fi
    if grep -qxF -e "nohome:$1" -e "nofolder:$1" "$was"; then as_user "$owner" rmdir "${place%/*}" 2> /dev/null < /dev/null; fi
    if grep -qxF -e "nohome:$1" "$was"; then
        rmdir "$2" 2> /dev/null
        if [ -e "$2" ]; then echo "$2 holds something and stays"; fi
    fi
}

undo() {
    sane || return
    was=$file.was.${captured_run:-none}
    rm -f "$was.new"
    if [ ! -e "$was" ]; then
        echo "nothing was changed"
        return
    fi
    from=$file
    lines user | while IFS=: read -r name _ _ _ home _; do
        forget_keys "$name" "$home" || exit
        old=$(from=$was && lines user "$name")
        if [ -n "$old" ]; then
            IFS=: read -r name id group words home shell << END
$old
END
            make_user && set_password "$(from=$was && lines shadow "$name")" || exit
        elif [ -n "$(here passwd "$name")" ]; then
            userdel -- "$name" > /dev/null 2>&1 || { echo "$name cannot be removed: is somebody logged in?"; exit 1; }
        fi
    done || return
    # userdel takes a group along that has the name of the user.
    (from=$was && lines group) | while IFS=: read -r name id members; do
        [ -z "$(here group "$name")" ] || continue
        groupadd -g "$id" -- "$name" || exit
        printf '%s\n' "$members" | tr , '\n' | while IFS= read -r member; do
            [ -z "$(here passwd "$member")" ] || gpasswd -a "$member" "$name" > /dev/null || exit
        done || exit
    done || return
    lines group | while IFS=: read -r name _ members; do
        [ -n "$(here group "$name")" ] || continue
        old=$(from=$was && lines group "$name")
        if [ -z "$old" ]; then
            groupdel -- "$name" || exit
            continue
        fi
        printf '%s\n' "$members" | tr , '\n' | while IFS= read -r member; do
            case ,${old##*:}, in *,"$member",*) continue ;; esac
            case ,$(here group "$name" | cut -d : -f 4), in *,"$member",*) gpasswd -d "$member" "$name" > /dev/null || exit ;; esac
        done || exit
    done || return
    rm -f "$was" && echo "users and groups are as before"
}

verify_undo() {
    sane || return 2
    if [ -e "$file.was.${captured_run:-none}" ]; then
        echo "what was before is not given back yet"
        return 1
    fi
    from=$file
    if [ -n "${captured_before-}" ] && [ "$(before)" != "$captured_before" ]; then
        echo "a user, a group, a password or keys are not what they were"
        return 1
    fi
    echo "users and groups are as before"
}
