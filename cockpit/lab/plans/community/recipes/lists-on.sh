# recipe: Start the lists of this host
# group: lab
# danger: high the lists send from here
# undo: stops them again
# param: domain the domain of the lists
# needs: sendmail
# shellcheck shell=sh disable=SC2154

probe() {
    [ -e etc/mailman/running ]
}

capture() {
    if probe; then echo "was=running"; else echo "was=stopped"; fi
}

apply() {
    mkdir -p etc/mailman && : > etc/mailman/running && echo "the lists run"
}

verify() {
    for folder in srv/lists/*/members; do
        list=${folder%/members}
        way=$(sendmail -bv "${list##*/}@$domain") || {
            echo "the mail server does not know the list ${list##*/}"
            return 1
        }
        case $way in
            *archives*) ;;
            *)
                echo "a message to ${list##*/} would not come to its archive: $way"
                return 1
                ;;
        esac
    done
    echo "every list takes messages into its archive"
}

undo() {
    if [ "${captured_was-}" = stopped ]; then rm -f etc/mailman/running; fi
}

verify_undo() {
    if [ "${captured_was-}" = running ]; then probe; else ! probe; fi
}
