# recipe: Let this host's web server serve a folder under a name
# group: lab
# danger: low a name more is served
# undo: removes the name
# param: name the name
# param: root the folder
# param: says what its first page holds
# param: check a URL on this host
# needs: curl
# shellcheck shell=sh disable=SC2154

probe() {
    [ "$(cat "etc/web/$name" 2> /dev/null)" = "$root" ]
}

capture() {
    if [ -e "etc/web/$name" ]; then
        echo "$name is served from elsewhere already" >&2
        return 1
    fi
    echo "was=absent"
}

apply() {
    printf '%s\n' "$root" > "etc/web/$name.new" && mv "etc/web/$name.new" "etc/web/$name" && echo "$name is served from $root"
}

verify() {
    body=$(curl -q -sS -f -m 5 --noproxy '*' -H "Host: $name" "$check") || return 2
    case $body in
        *"$says"*) echo "asked for $name, this host shows $says" ;;
        *)
            echo "asked for $name, this host does not show $says"
            return 1
            ;;
    esac
}

undo() {
    rm -f "etc/web/$name" "etc/web/$name.new" && echo "$name is served no more"
}

verify_undo() {
    [ ! -e "etc/web/$name" ]
}
