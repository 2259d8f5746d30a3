# recipe: Name the users, groups, passwords and keys that came, changed or went since the first copy
# group: files
# danger: none
# undo: nothing to take back: it only looked
# param: file a fresh export of the other host, as accounts-export writes it
# param: first the export that was copied first; default is what is on this host now
# needs: awk getent
# shellcheck shell=sh disable=SC2154

probe() {
    # Accounts are made at any time: looked at anew each time.
    return 1
}

capture() {
    echo "looked=1"
}

known() {
    # What was copied, in the form of an export.
    if [ -n "${first-}" ]; then
        cat -- "$first"
        return
    fi
    getent passwd | awk -F: '{ print "user:" $1 ":" $3 ":" $4 ":" $5 ":" $6 ":" $7 }'
    getent group | awk -F: '{ print "group:" $1 ":" $3 ":" $4 }'
    getent shadow | sed 's/^/shadow:/'
}

differences() {
    for export in "$file" "${first:-$file}"; do
        if ! grep -q '^user:' -- "$export" 2> /dev/null; then
            echo "there is no export at $export"
            return 2
        fi
    done
    was=$(known) || return 2
    { printf '%s\n' "$was" | sed 's/^/W/'; sed 's/^/N/' < "$file"; } | whole=${first:+1} LC_ALL=C awk -F: '
        { kind = substr($1, 2); key = kind ":" $2; line = substr($0, 2) }
        /^W/ { was[key] = line }
        /^N/ { now[key] = line }
        function told(key,   part) {
            split(key, part, ":")
            if (part[1] == "shadow") return "the password of " part[2]
            if (part[1] == "key") return "the keys of " part[2]
            if (part[1] == "member") return "the members of " part[2]
            return part[1] " " part[2]
        }
        END {
            for (key in now) {
                split(key, part, ":")
                # Passwords and keys of a user who is new are new with him.
                if ((part[1] == "shadow" || part[1] == "key") && !(("user:" part[2]) in was)) continue
                if (!ENVIRON["whole"] && (part[1] == "key" || part[1] == "member")) continue
                if (!(key in was)) print told(key) " was added"
                else if (was[key] != now[key]) print told(key) " changed"
            }
            if (ENVIRON["whole"]) for (key in was) {
                split(key, part, ":")
                if (!(key in now) && (part[1] == "user" || part[1] == "group")) print told(key) " is gone"
            }
        }' | LC_ALL=C sort
}

looked() {
    found=$(differences) || {
        echo "$found"
        return 2
    }
    if [ -n "$found" ]; then
        echo "since the first copy: $(printf '%s\n' "$found" | tr '\n' ';' | sed 's/;$//; s/;/; /g')"
        return 1
    fi
    echo "no user, group or password came, changed or went since the first copy"
}

apply() {
    looked || return 1
}

verify() {
    looked
}

undo() {
    # It only looked.
    return 0
}

verify_undo() {
    return 0
}
