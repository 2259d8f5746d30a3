# recipe: Fill a new core of the search server with all articles of the multisite database, over the private network
# group: data
# danger: low the search server is busy; nobody searches in the core yet
# undo: removes the core
# param: server the search server's URL on the private network
# param: core the core to make
# param: database the multisite database of this host
# needs: psql setpriv curl
# shellcheck shell=sh disable=SC2154

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

client() (
    export PGDATABASE="$database" PGCONNECT_TIMEOUT=10
    unset PGOPTIONS PGSERVICE
    cd / || exit
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- psql -XAtqw -v ON_ERROR_STOP=1 "$@"
)

fit() {
    case $core in '' | *[!a-z0-9_]*) refuse "no name of a core: $core" ;; esac
    case $database in '' | *[!a-z0-9_]*) refuse "no name of a database: $database" ;; esac
    case $server in *[!A-Za-z0-9.:/-]*) refuse "the server is no URL" ;; http://?*) ;; *) refuse "the server is no URL" ;; esac
}

ask() {
    curl -q -g -sS -f -m 60 --noproxy '*' "$@"
}

# How many articles the core holds; `none` when there is no such core.
held() {
    ask "$server/$core/count" 2>&1
}

probe() {
    fit
    now=$(held) || {
        echo "the search server does not answer: $now"
        return 2
    }
    [ "$now" != none ] || return 1
    rows=$(client -c 'select count(*) from node') || return 2
    [ "$now" = "$rows" ]
}

capture() {
    fit
    now=$(held) || {
        echo "the search server does not answer: $now" >&2
        return 2
    }
    [ "$now" = none ] || {
        echo "there is a core $core already, with $now articles: a new one is made" >&2
        return 1
    }
    echo "was=none"
}

apply() {
    fit
    # An article has its number in the core: sent twice it is there once.
    all=$(client -c "select json_build_object('id', nid, 'domain', domain, 'text', title || ' ' || body)
        from node join domain_access using (nid) order by nid" | ask --data-binary @- "$server/$core/update") || {
        echo "the search server did not take the articles"
        return 1
    }
    echo "the search server took $all articles"
}

verify() {
    fit
    now=$(held) || {
        echo "the search server does not answer: $now"
        return 2
    }
    # Domain by domain, as people search.
    client -c 'select domain, count(*) from domain_access group by 1 order by 1' | {
        told=''
        while IFS='|' read -r domain rows; do
            hits=$(ask "$server/$core/count?domain=$domain") || exit 2
            [ "$hits" = "$rows" ] || {
                echo "the core has $hits articles of $domain, the database $rows"
                exit 1
            }
            told="$told${told:+, }$hits of $domain"
        done
        [ -n "$told" ] || {
            echo "the database holds no article"
            exit 1
        }
        echo "the core finds $told"
    }
}

undo() {
    fit
    [ "${captured_was-}" = none ] || return 0
    ask -X DELETE "$server/$core" > /dev/null && echo "the core $core is gone"
}

verify_undo() {
    fit
    now=$(held) || {
        echo "the search server does not answer: $now"
        return 2
    }
    [ "$now" = none ] && echo "there is no core $core" && return
    echo "the core $core still holds $now articles"
    return 1
}
