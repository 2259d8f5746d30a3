# recipe: Compare an SQLite database, table by table, with what was written down on another host
# group: lab
# danger: none
# undo: nothing to take back: it only looked
# param: database the database
# param: file what was written down
# needs: database cmp
# shellcheck shell=sh disable=SC2154

probe() {
    return 1
}

compared() {
    database figures "$database" | cmp -s - "$file" || {
        echo "the tables are not those that were written down"
        return 1
    }
    echo "$(wc -l < "$file" | tr -d ' ') tables are the same"
}

apply() {
    compared
}

verify() {
    compared
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    echo "nothing was to be taken back"
}
