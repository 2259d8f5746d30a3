# recipe: Dump an SQLite database, as it is at one moment, into a file with its checksum beside it
# group: lab
# danger: low a file of the database's size is written
# undo: removes the file and its checksum
# param: database the SQLite database
# param: table a table whose rows are told
# param: file where the dump goes; its SHA-256 goes to FILE.sha256
# needs: database sha256sum
# shellcheck shell=sh disable=SC2154

sum() {
    sha256sum < "$file" | cut -d ' ' -f 1
}

probe() {
    # A dump of before holds what was there before.
    return 1
}

capture() {
    if [ -e "$file" ]; then
        echo "$file is there already: name another one" >&2
        return 1
    fi
    echo "was=absent"
}

apply() {
    database dump "$database" "$file"
}

verify() {
    [ -f "$file" ] && [ "$(sum)" = "$(cat "$file.sha256")" ] || {
        echo "$file is not what its checksum says"
        return 1
    }
    rows=$(database ask "$file" "select count(*) from $table") || {
        echo "$file cannot be read: $rows"
        return 1
    }
    echo "$file can be read and holds $rows rows in $table"
}

undo() {
    rm -f "$file" "$file.sha256" "$file.new" && echo "the dump is gone"
}

verify_undo() {
    [ ! -e "$file" ] && echo "there is no dump"
}
