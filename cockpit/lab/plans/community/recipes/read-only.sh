# recipe: Make a folder of this host read-only for users and services, but for an exception
# group: lab
# danger: high what users write there is refused
# undo: makes it writable again, at any time
# param: path the folder
# param: except a folder in it that stays writable (optional)
# needs: flock may
# shellcheck shell=sh disable=SC2154

rules=etc/readonly

rule() {
    printf '%s%s\n' "$path" "${except:+ $except}"
}

probe() {
    [ -f "$rules" ] && grep -qxF -e "$(rule)" "$rules" 2> /dev/null
}

capture() {
    if probe; then echo "was=read-only"; else echo "was=writable"; fi
}

# Whoever is writing at this moment holds the lock.
put() (
    exec 9>> var/lock
    flock 9
    { grep -vxF -e "$(rule)" "$rules" 2> /dev/null; printf '%s' "${1:+$1
}"; } > "$rules.new"
    # With no rule left there is no file, as before the first.
    if [ -s "$rules.new" ]; then mv "$rules.new" "$rules"; else rm -f "$rules.new" "$rules"; fi
)

apply() {
    put "$(rule)" && echo "$path is read-only"
}

verify() {
    may "$path/x" && return 1
    if [ -n "${except-}" ]; then
        may "$except/x" || return 1
    fi
    echo "$path is read-only${except:+, and $except is not}"
}

undo() {
    if [ "${captured_was-}" = writable ]; then put '' && echo "$path is writable again"; fi
}

verify_undo() {
    [ "${captured_was-}" = read-only ] || may "$path/x"
}
