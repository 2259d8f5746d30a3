# recipe: Write down rows and checksums of the tables of an SQLite database, for another host
# group: lab
# danger: low it writes one file, of the figures
# undo: removes the file
# param: database the database
# param: file the file to write
# needs: database
# shellcheck shell=sh disable=SC2154

probe() {
    # What a table holds changes: it is always counted anew.
    return 1
}

apply() {
    mkdir -p "$(dirname "$file")" && database figures "$database" > "$file.new" && mv "$file.new" "$file" && cat "$file"
}

verify() {
    [ "$(database figures "$database")" = "$(cat "$file")" ] || {
        echo "the tables have changed since"
        return 1
    }
    echo "$(wc -l < "$file" | tr -d ' ') tables are written down"
}

undo() {
    rm -f "$file" "$file.new"
}

verify_undo() {
    [ ! -e "$file" ]
}
