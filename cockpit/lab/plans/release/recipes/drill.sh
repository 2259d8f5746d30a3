# recipe: Drill: let a recipe do what is bound to break off, and see that it says so and that nothing in use has changed
# group: lab
# danger: none
# undo: nothing to take back: the recipe cleared up after itself
# param: recipe the file of the recipe on this host
# param: untouched the link to what is in use, which must lead where it led
# param: says what the recipe's last line has to hold
# param: releases passed on to the recipe (optional)
# param: tag passed on to the recipe (optional)
# param: build passed on to the recipe (optional)
# param: current passed on to the recipe (optional)
# param: to passed on to the recipe (optional)
# param: evolve passed on to the recipe (optional)
# needs: readlink
# shellcheck shell=sh disable=SC2154

probe() {
    # It is drilled anew each time.
    return 1
}

capture() {
    [ -r "$recipe" ] || { echo "there is no recipe at $recipe" >&2 && return 1; }
    printf 'was=%s\n' "$(readlink -f "$untouched")"
    printf 'around=%s\n' "$(around)"
}

# The names beside what is in use: nothing half built may be left there.
around() {
    # shellcheck disable=SC2012
    ls -A "$(dirname "$untouched")" "${releases:-$(dirname "$untouched")}" | cksum
}

# The recipe as a run has it: what it captures it gets back.
tried() (
    # shellcheck disable=SC1090
    . "$recipe"
    while IFS='=' read -r name value; do
        case $name in '' | *[!a-z_]*) continue ;; esac
        export "captured_$name=$value"
    done << END
$(capture)
END
    apply 2>&1
)

apply() {
    said=$(tried) && {
        echo "it did not break off: $(printf '%s\n' "$said" | tail -n 1)"
        return 1
    }
    last=$(printf '%s\n' "$said" | tail -n 1)
    case $last in
        *"$says"*) printf '%s\n' "$said" ;;
        *)
            echo "it broke off, but does not say \"$says\": $last"
            return 1
            ;;
    esac
}

verify() {
    [ "$(readlink -f "$untouched")" = "${captured_was-}" ] || {
        echo "$untouched leads to $(readlink -f "$untouched"), and led to ${captured_was-}"
        return 1
    }
    [ "$(around)" = "${captured_around-}" ] || {
        echo "something was left beside $untouched"
        return 1
    }
    echo "$untouched leads to ${captured_was##*/} as before, and nothing was left behind"
}

undo() {
    echo "nothing to take back"
}

verify_undo() {
    verify
}
