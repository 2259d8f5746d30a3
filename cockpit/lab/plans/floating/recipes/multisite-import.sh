# recipe: Transform the content of the single site and import it into a new multisite database, in batches, with progress
# group: lab
# danger: low the server is busy; the database takes its name only when it is whole
# undo: removes the imported database, with what was written since
# param: source the database of this server that holds the old site's content as it came
# param: database the multisite database to make; until it is whole it is called NAME.import
# param: domains section=domain one a line: which domain shows which section of the old site
# needs: database
# shellcheck shell=sh disable=SC2154

probe() {
    [ -f "$database" ] && database compare "$source" "$database" > /dev/null
}

capture() {
    if [ -e "$database" ]; then
        echo "there is a database $database already: an import makes a new one" >&2
        return 1
    fi
    echo "was=absent"
}

apply() {
    # Sections and domains hold no spaces.
    # shellcheck disable=SC2086
    database import "$source" "$database" $domains
}

verify() {
    database compare "$source" "$database"
}

undo() {
    rm -f "$database" "$database.import" && echo "$database is gone"
}

verify_undo() {
    [ ! -e "$database" ] && echo "there is no $database"
}
