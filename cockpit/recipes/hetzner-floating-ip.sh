# recipe: Give a Hetzner floating IP to another server, and wait until its action has succeeded
# group: switch
# danger: high visitors of the address are answered by the other server, which must have it on its interface
# undo: gives it back to the server that had it, or takes it from all
# param: token the API token, which may read and write; a secret of the step
# param: floating_ip the number of the floating IP
# param: server the number of the server that gets it
# param: wait seconds to wait for the action (default 120)
# param: pause seconds between tries where the API asks for patience (default 2)
# param: check URL at the address that is asked afterwards (optional)
# param: says text that its answer holds (optional)
# param: api the base URL of the API (default https://api.hetzner.cloud/v1)
# needs: awk curl
# shellcheck shell=sh disable=SC2154

address=$floating_ip
target=$server
api=${api:-https://api.hetzner.cloud/v1}
running=running
finished=success

fit_address() {
    case $floating_ip in '' | *[!0-9]*) refuse "the floating IP is named by its number" ;; esac
}

# Who has the address now; nothing for nobody. What is still running for it is looked up first.
holder() {
    call GET "/floating_ips/$floating_ip/actions?status=running" || return
    pending=$(of actions.0.id)
    call GET "/floating_ips/$floating_ip" || return
    held=$(of floating_ip.server)
    [ "$held" != null ] || held=''
}

busy() {
    [ -n "$pending" ]
}

# Where an address has to be free first, it is taken from its server before it is given to the other one.
begin() {
    if [ -n "$1" ]; then
        call POST "/floating_ips/$floating_ip/actions/assign" "{\"server\":$1}" && return
        [ "$(of error.code)" = floating_ip_assigned ] || return
        call POST "/floating_ips/$floating_ip/actions/unassign" && ended || return
        call POST "/floating_ips/$floating_ip/actions/assign" "{\"server\":$1}"
    else
        call POST "/floating_ips/$floating_ip/actions/unassign"
    fi
}

action() {
    echo "/floating_ips/$floating_ip/actions/$1"
}

message() {
    of error.message
}

LC_ALL=C
export LC_ALL
line='
'

refuse() {
    echo "$1; nothing was changed" >&2
    exit 2
}

# Turns JSON into lines `path=value`: action.id=13. A text keeps its escapes, so that a value is one line.
flat() {
    awk '
        function skip() { while (index(" \t\r\n", substr(text, at, 1)) && at <= length(text)) at++ }
        function word(    from) {
            from = at++
            if (substr(text, from, 1) != "\"") { while (at <= length(text) && !index(",]} \t\r\n", substr(text, at, 1))) at++; return substr(text, from, at - from) }
            while (at <= length(text) && substr(text, at, 1) != "\"") at += substr(text, at, 1) == "\\" ? 2 : 1
            return substr(text, from + 1, at++ - from - 1)
        }
        function value(path,    key, n, c) {
            skip()
            c = substr(text, at, 1)
            if (c == "{" || c == "[") {
                at++
                for (n = 0; at <= length(text); n++) {
                    skip()
                    if (index("]}", substr(text, at, 1))) { at++; return }
                    key = n
                    if (c == "{") { key = word(); skip(); at++ }
                    value(path == "" ? key : path "." key)
                    skip()
                    if (substr(text, at, 1) == ",") at++
                }
                return
            }
            print path "=" word()
        }
        { text = text $0 "\n" }
        END { at = 1; value("") }'
}

# One value of the last answer.
of() {
    printf '%s\n' "$answer" | path=$1 awk 'index($0, ENVIRON["path"] "=") == 1 { print substr($0, length(ENVIRON["path"]) + 2); exit }'
}

# One request to the API: method, path, body. The token goes over standard input, for the words of a command can be read by
# everybody on this host. Sets code and answer. A limit that is reached, a lock, a fault of the API: tried again for a while.
call() {
    tries=$((${wait:-120} / ${pause:-2} + 1))
    while :; do
        got=$({
            printf 'header = "Authorization: Bearer %s"\n' "$token"
            [ -z "${3-}" ] || printf 'header = "Content-Type: application/json"\n'
        } | curl -q -g -sS -m 30 -X "$1" ${3:+-d "$3"} -w '\n%{http_code}' -K - --url "${api%/}$2" 2>&1)
        rc=$?
        code=${got##*"$line"}
        answer=$(printf '%s\n' "${got%"$line"*}" | flat)
        # What was sent and not answered is not sent again: whether it was done is asked first.
        case $rc.$code in
            0.409 | 0.423 | 0.429) ;;
            0.422) case $(message) in *pending* | *locked*) ;; *) break ;; esac ;;
            0.5??) [ "$1" = GET ] || break ;;
            0.*) break ;;
            *) [ "$1" = GET ] || break ;;
        esac
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || break
        sleep "${pause:-2}"
    done
    [ "$rc" = 0 ] || {
        code=000
        why="the API cannot be reached: $(printf '%s\n' "$got" | sed -n 's/.*curl: //p')"
        return 2
    }
    case $code in
        2??) return 0 ;;
        401 | 403) why="the API does not accept the token: $(message)" ;;
        404) why="the API does not know it: $(message)" ;;
        *) why="the API answers $code: $(message)" ;;
    esac
    return 1
}

# Waits until the action that was just begun has ended.
ended() {
    id=$(of action.id)
    nap=0.1
    left=$((${wait:-120} * 2))
    while [ "$(of action.status)" = "$running" ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            why="the action $id has not ended after ${wait:-120} s"
            return 1
        }
        sleep "$nap"
        nap=0.5
        call GET "$(action "$id")" || return
    done
    [ "$(of action.status)" = "$finished" ] || {
        why="the action $id ended with $(of action.status): $(of action.error.message)"
        return 1
    }
}

# Gives the address to a server, or takes it from every one, and waits until it is so. What another action holds up is waited for.
give() {
    left=$((${wait:-120} * 2))
    while holder && busy; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || break
        sleep 0.5
    done
    [ "$rc.$code" = 0.200 ] || return
    if busy; then
        why="another action for it has not ended after ${wait:-120} s"
        return 1
    fi
    [ "$held" != "$1" ] || return 0
    begin "$1" || {
        # A request whose answer was lost may have been done.
        kept=$why
        holder && [ "$held" = "$1" ] && return 0
        why=$kept
        return 1
    }
    ended
}

fit() {
    case $address$target in *"$line"*) refuse "a parameter holds a newline" ;; esac
    case $target in '' | *[!0-9]*) refuse "the server to give the address to must be a number" ;; esac
    case $api in *[!A-Za-z0-9:/._~-]*) refuse "the base URL of the API is none" ;; https://?* | http://127.0.0.1:*) ;; *) refuse "the API is asked over HTTPS only" ;; esac
    case ${wait:-120} in *[!0-9]*) refuse "the seconds to wait must be a number" ;; esac
    case ${pause:-2} in *[!0-9]* | 0*) refuse "the pause must be a number of seconds" ;; esac
    case ${check:-http://x} in *"$line"*) refuse "the URL to check is none" ;; http://?* | https://?*) ;; *) refuse "the URL to check is none" ;; esac
    case ${says-} in *"$line"*) refuse "the text that the answer holds is one line" ;; esac
    case ${token-} in '') refuse "there is no token: give it as a secret of the step" ;; *[!A-Za-z0-9._~+/=-]*) refuse "the token holds what no token does" ;; esac
    fit_address
}

probe() {
    fit
    holder || {
        echo "$why"
        return 2
    }
    [ "$held" = "$target" ]
}

capture() {
    fit
    holder || refuse "$why"
    echo "holder=$held"
}

apply() {
    fit
    give "$target" || {
        echo "$address was not given to $target: $why"
        return 1
    }
    echo "$address was given to $target"
}

verify() {
    fit
    holder || {
        echo "$why"
        return 2
    }
    [ "$held" = "$target" ] || {
        echo "$address is with ${held:-nobody}, not with $target"
        return 1
    }
    [ -n "${check-}" ] || {
        echo "the API says that $address is with $target"
        return
    }
    left=$((${wait:-120} * 5))
    [ "$left" -le 25 ] || left=25
    until got=$(curl -q -g -sS -i -m 5 "$check" 2>&1) && printf '%s\n' "$got" | grep -qF -e "${says-}"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            echo "the API says that $address is with $target, but $check does not: $(printf '%s\n' "$got" | sed -n 1p | tr -d '\r')"
            return 1
        }
        sleep 0.2
    done
    echo "$address is with $target, and $check answers"
}

undo() {
    fit
    give "${captured_holder-}" || {
        echo "$address was not given back to ${captured_holder:-nobody}: $why"
        return 1
    }
    echo "$address is with ${captured_holder:-nobody} again"
}

verify_undo() {
    fit
    holder || {
        echo "$why"
        return 2
    }
    echo "the API says that $address is with ${held:-nobody}"
    [ "$held" = "${captured_holder-}" ]
}
