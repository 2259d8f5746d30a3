# recipe: Fill a new core of the search server with all articles of the multisite database
# group: lab
# danger: low the search server is busy; nobody searches in the core yet
# undo: removes the core
# param: from this host's own address
# param: server the search server's URL
# param: core the core to make
# param: database the multisite database of this host
# needs: database curl
# shellcheck shell=sh disable=SC2154

ask() {
    curl -q -g -sS -f -m 60 --noproxy '*' --interface "$from" "$@" 2>&1
}

# How many articles the core holds; `none` when there is no such core.
held() {
    ask "$server/$core/count"
}

probe() {
    now=$(held) || {
        echo "the search server does not answer: $now"
        return 2
    }
    [ "$now" = "$(database ask "$database" 'select count(*) from node')" ]
}

capture() {
    now=$(held) || return 2
    [ "$now" = none ] || {
        echo "there is a core $core already, with $now articles" >&2
        return 1
    }
    echo "was=none"
}

apply() {
    # An article has its number in the core: sent twice it is there once.
    all=$(database documents "$database" | ask --data-binary @- "$server/$core/update") || {
        echo "the search server did not take the articles: $all"
        return 1
    }
    echo "the search server took $all articles"
}

verify() {
    # Domain by domain, as people search.
    told=''
    for domain in $(database ask "$database" "select group_concat(name, ' ') from domain"); do
        rows=$(database ask "$database" "select count(*) from domain_access where domain = '$domain'") || return 2
        hits=$(ask "$server/$core/count?domain=$domain") || return 2
        [ "$hits" = "$rows" ] || {
            echo "the core has $hits articles of $domain, the database $rows"
            return 1
        }
        told="$told${told:+, }$hits of $domain"
    done
    [ -n "$told" ] && echo "the core finds $told"
}

undo() {
    ask -X DELETE "$server/$core" > /dev/null && echo "the core $core is gone"
}

verify_undo() {
    now=$(held) || return 2
    [ "$now" = none ] && echo "there is no core $core"
}
