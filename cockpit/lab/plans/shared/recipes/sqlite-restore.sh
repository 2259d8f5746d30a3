# recipe: Restore a dump as an SQLite database beside nothing that is in use
# group: lab
# danger: low a file of the database's size is written
# undo: removes the database
# param: file the dump, with its SHA-256 in FILE.sha256
# param: database the SQLite database to make; it must not be there
# needs: database sha256sum
# shellcheck shell=sh disable=SC2154

probe() {
    [ -f "$database" ] && [ "$(sha256sum < "$database" | cut -d ' ' -f 1)" = "$(cat "$file.sha256")" ]
}

capture() {
    if [ -e "$database" ]; then
        echo "there is a database $database already" >&2
        return 1
    fi
    echo "was=absent"
}

apply() {
    database restore "$file" "$database"
}

verify() {
    [ "$(database ask "$database" 'pragma integrity_check')" = ok ] || {
        echo "$database is damaged"
        return 1
    }
    [ "$(database figures "$database")" = "$(database figures "$file")" ] || {
        echo "$database is not what was dumped"
        return 1
    }
    echo "every table of $database is as in the dump"
}

undo() {
    rm -f "$database" "$database.new" && echo "$database is gone"
}

verify_undo() {
    [ ! -e "$database" ] && echo "there is no $database"
}
