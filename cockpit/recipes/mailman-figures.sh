# recipe: Write down Mailman's lists with settings, members, held and archived messages, for the other host
# group: mail
# danger: low the figures hold addresses of members; only their owner may read them
# undo: removes the figures, or restores what was there
# param: figures the file to write
# param: lists the lists by their addresses, blanks or line ends between (optional: all)
# param: config Mailman's configuration (default /etc/mailman3/mailman.cfg)
# param: account the account that Mailman runs as (default list)
# param: python Mailman's own Python (optional: as the first line of the command mailman names it)
# needs: mailman setpriv
# shellcheck shell=sh disable=SC2154

sane() {
    case $figures in
        *"
"*) echo "the file is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the file is no absolute path: $figures"; return 1 ;;
    esac
}

placed() {
    if [ ! -d "${figures%/*}/" ]; then
        echo "there is no folder ${figures%/*}"
        return 1
    fi
}

manager() (
    # Runs a program under Mailman's own Python, as Mailman's account where the login is root.
    config=${config:-/etc/mailman3/mailman.cfg} lists=${lists-} accepted=${accepted-} queued=${queued-}
    own=${python:-$(sed -n '1s/^#! *//p' "$(command -v mailman)" 2> /dev/null)}
    if [ ! -r "$config" ] || [ -z "$own" ]; then
        echo "there is no Mailman with a configuration $config" >&2
        exit 2
    fi
    export config lists accepted queued
    # Some say `/usr/bin/env python3`.
    # shellcheck disable=SC2086
    set -- $own -W ignore -c "$@"
    account=${account:-list}
    cd / || exit 2
    [ "$(id -u)" = 0 ] || exec "$@"
    group=$(id -gn -- "$account") || exit 2
    HOME=/ exec setpriv --reuid="$account" --regid="$group" --init-groups -- "$@"
)

the_lists() {
    cat << 'PY'
import base64, datetime, io, json, os, pickle, sys, uuid
from string import Template
from mailman.config import config

def fail(why, status=2):
    print(why, file=sys.stderr, flush=True)
    os._exit(status)

sys.excepthook = lambda kind, error, trace: fail(f"Mailman cannot be asked: {kind.__name__}: {error}".replace("\n", " ")[:300])
config.create_paths, config._clear = False, lambda: None
config.load(os.environ["config"])
BELONGING = "acceptablealias", "autoresponserecord", "contentfilter", "headermatch", "listarchiver", "onelastdigest", "_request"
with_archives = os.environ.get("archives") != "no"
# What holds for a member who has said nothing.
USUAL = {"acknowledge_posts": 0, "hide_address": 1, "preferred_language": None, "receive_list_copy": 1, "receive_own_postings": 1,
         "delivery_mode": 1, "delivery_status": 1}

class Plain(pickle.Unpickler):
    def find_class(self, module, name):
        if name == "MutableList":
            return list
        raise pickle.UnpicklingError(name)

def plain(value, name):
    # A value as SQLite keeps it, whatever the database is.
    if isinstance(value, (bytes, memoryview)):
        try:
            return {"list": Plain(io.BytesIO(value)).load()}
        except Exception:
            return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime.timedelta):
        value = datetime.datetime(1970, 1, 1) + value
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if value and name in ("_member_id", "_user_id", "uid"):
        return uuid.UUID(str(value)).hex
    return value

class Rows(dict):
    """The tables of Mailman's database, each read when it is asked for. Nothing is written, and no table is changed to a newer form."""

    def __init__(self):
        url = Template(config.database.url).safe_substitute(config.paths)
        if url.startswith("sqlite:"):
            import sqlite3
            self.db = sqlite3.connect(f"file:{url.partition('///')[2]}?mode=rw", uri=True)
            self.mark = '"'
        else:
            import sqlalchemy
            self.db = sqlalchemy.create_engine(url).raw_connection()
            self.mark = "`" if url.startswith("mysql") else '"'

    def __missing__(self, name):
        cursor = self.db.cursor()
        cursor.execute(f"select * from {self.mark}{name}{self.mark}")
        names = [column[0] for column in cursor.description]
        self[name] = [{n: plain(v, n) for n, v in zip(names, row)} for row in cursor.fetchall()]
        return self[name]

    def by(self, name, key="id"):
        return {row[key]: row for row in self[name]}

    def where(self, name, key, value, *less):
        return [{k: v for k, v in row.items() if k not in ("id", key, *less)} for row in self[name] if row[key] == value]

def in_order(rows):
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))

def described(rows, wanted):
    """Everything of the wanted lists, or of all, without the numbers that only this database knows."""
    lists = {f"{row['list_name']}@{row['mail_host']}": row for row in rows["mailinglist"]}
    preferences, addresses, users = rows.by("preferences"), rows.by("address"), rows.by("user")
    steps, messages = rows.by("workflowstate", "token"), rows.by("message", "message_id")
    said, owned, loose, hosts = {}, {}, {}, set()
    kept = {row["id"]: {**row, "values": {}} for row in rows["pended"]}
    for row in rows["pendedkeyvalue"]:
        if row["pended_id"] in kept:
            kept[row["pended_id"]]["values"][row["key"]] = row["value"]

    def choices(row):
        return {k: v for k, v in preferences.get(row["preferences_id"], {}).items() if k != "id"}

    def address(key):
        row = addresses[key]
        if row["user_id"] in users:
            owner(row["user_id"])
        else:
            loose[row["email"]] = {**{k: v for k, v in row.items() if k not in ("id", "user_id", "preferences_id")}, "preferences": choices(row)}
        return row["email"]

    def owner(key):
        row = users[key]
        if row["_user_id"] not in owned:
            less = "id", "preferences_id", "_preferred_address_id", "is_server_owner"
            owned[row["_user_id"]] = {
                **{k: v for k, v in row.items() if k not in less},
                "preferences": choices(row),
                "preferred": addresses[row["_preferred_address_id"]]["email"] if row["_preferred_address_id"] in addresses else None,
                "addresses": [
                    {**{k: v for k, v in one.items() if k not in ("id", "user_id", "preferences_id")}, "preferences": choices(one)}
                    for one in addresses.values() if one["user_id"] == key
                ],
            }
        return row["_user_id"]

    def addressed(row):
        key = row.pop("address_id", None)
        return {**row, "address": address(key)} if key in addresses else row

    def member(row):
        less = "id", "list_id", "address_id", "user_id", "preferences_id"
        out = {**{k: v for k, v in row.items() if k not in less}, "preferences": choices(row), "user": None, "address": None}
        if row["address_id"] in addresses:
            out["address"] = address(row["address_id"])
            of_user, of_address = users.get(addresses[row["address_id"]]["user_id"]), addresses[row["address_id"]]
        else:
            out["user"] = owner(row["user_id"])
            of_user = users[row["user_id"]]
            of_address = addresses.get(of_user["_preferred_address_id"], {"preferences_id": None, "email": None})
        out["email"] = out["address"] or of_address["email"]
        layers = [choices(row), choices(of_address), choices(of_user) if of_user else {}]
        out["effective"] = {k: next((one[k] for one in layers if one.get(k) is not None), usual) for k, usual in USUAL.items()}
        return out

    for name in sorted(wanted or lists):
        if name not in lists:
            continue
        row = lists[name]
        key, number = row["list_id"], row["id"]
        hosts.add(row["mail_host"])
        one = {"list_id": key, "settings": {k: v for k, v in row.items() if k not in ("id", "list_id", "list_name", "mail_host")}}
        whose = [(table, "mailing_list_id", number) for table in BELONGING] + [(table, "list_id", key) for table in ("ban", "bounceevent")]
        one["belonging"] = {t: in_order(map(addressed, rows.where(t, *which))) for t, *which in [*whose, ("template", "context", key)]}
        one["member"] = in_order(member(row) for row in rows["member"] if row["list_id"] == key)
        requests = {row["id"]: row["key"] for row in rows["_request"] if row["mailing_list_id"] == number}
        tokens = {row["data_hash"] for row in one["belonging"]["_request"]}
        pended = []
        for row in kept.values():
            values = row["values"]
            if row["token"] in tokens or json.dumps(key) in (values.get("list_id"), values.get("_mod_listid")):
                row = {**{k: v for k, v in row.items() if k != "id"}, "step": steps.get(row["token"])}
                # Who waits to become a member is known by name.
                asks = json.loads((row["step"] or {}).get("data") or "{}")
                for who in (one for one in addresses.values() if one["email"] == asks.get("address_key")):
                    address(who["id"])
                for who in (one for one in users.values() if one["_user_id"] == asks.get("user_key")):
                    owner(who["id"])
                if values.get("type") == "held message" and "id" in values:
                    # The number of a request is another one elsewhere.
                    row["request"] = requests.get(int(json.loads(values["id"])))
                pended.append(row)
        one["pended"] = in_order(pended)
        one["message"] = in_order({k: v for k, v in messages[held].items() if k != "id"} for held in set(requests.values()) if held in messages)
        one["folders"] = [called for kind, called, _ in places(name, key) if kind != "archive" or with_archives]
        said[name] = one
    domains = [row for row in rows["domain"] if row["mail_host"] in hosts]
    for row in domains:
        row["owners"] = [owner(link["user_id"]) for link in rows["domain_owner"] if link["domain_id"] == row["id"] and link["user_id"] in users]
    return {"lists": said, "usual": USUAL, "domain": [{k: v for k, v in row.items() if k != "id"} for row in domains],
            "user": in_order(owned.values()), "address": in_order(loose.values())}

def listed(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

def places(name, key):
    # The folders of a list: what they hold, what they are called elsewhere, where they are.
    inner = [("archive", "archives", config.ARCHIVE_DIR, os.path.join(kind, name)) for kind in listed(config.ARCHIVE_DIR)]
    inner += [("data", "lists", config.LIST_DATA_DIR, key)]
    inner += [("template", "templates", config.TEMPLATE_DIR, os.path.join("lists", one)) for one in (key, name)]
    return [(kind, os.path.join(called, one), os.path.join(top, one)) for kind, called, top, one in inner if os.path.isdir(os.path.join(top, one))]

def files(name, one):
    # Each file of a list: what it is, what it is called elsewhere, where it is.
    for kind, called, top in places(name, one["list_id"]):
        for folder, _, found in sorted(os.walk(top)):
            if os.path.basename(folder) != "tmp":
                for file in sorted(found):
                    path = os.path.join(folder, file)
                    yield kind, os.path.join(called, os.path.relpath(path, top)), path
    for row in one["message"]:
        path = os.path.join(config.MESSAGES_DIR, row["path"])
        if os.path.exists(path):
            yield "message", os.path.join("messages", row["path"]), path
PY
}

the_figures() {
    cat << 'PY'
import hashlib

# What comes and goes by itself, or is told in its own words.
PASSING = "_request", "autoresponserecord", "bounceevent", "onelastdigest"
ROLES = {1: "member", 2: "owner", 3: "moderator", 4: "nonmember"}

def figures(data):
    """Lines that are the same on two hosts with the same lists: list, kind, what, and how it is."""
    out = {}
    def told(name, kind, what, how):
        # One line each, whatever a name holds.
        out[name, kind, json.dumps(what)[1:-1]] = how
    for name, one in data["lists"].items():
        for column, value in one["settings"].items():
            told(name, "setting", column, hidden(value) if "password" in column else value)
        for row in one["member"]:
            how = {**row["effective"], "moderation_action": row["moderation_action"]}
            told(name, "member", f"{ROLES.get(row['role'], row['role'])} {row['email']}", how)
        for row in one["belonging"]["_request"]:
            told(name, "held", row["key"], row["request_type"])
        for row in one["pended"]:
            told(name, "pending", hidden(row["token"]), row["expiration_date"])
        for table, found in one["belonging"].items():
            if table not in PASSING:
                for row in found:
                    row = {k: hidden(v) if k == "password" and v else v for k, v in row.items()}
                    told(name, table, json.dumps(row, sort_keys=True), 1)
        for kind, called, path in files(name, one):
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            if kind == "archive":
                told(name, kind, digest, out.get((name, kind, digest), 0) + 1)
            elif kind != "message":
                told(name, kind, called, digest)
    lines = ["\t".join([*key, json.dumps(how, sort_keys=True)]) for key, how in out.items()]
    return "".join(line + "\n" for line in [*sorted(lines), "whole"])

def hidden(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
PY
}

taken() {
    # A line for each thing that is the same on two hosts with the same lists; the last is `whole`.
    manager "$(the_lists)
$(the_figures)
wanted = os.environ['lists'].split()
data = described(Rows(), wanted)
for name in wanted:
    if name not in data['lists']:
        fail(f'there is no list {name}', 1)
print(figures(data), end='')" < /dev/null
}

count() {
    # How many lists, members, held and archived messages the figures name.
    awk -F '\t' '
        NF > 1 { lists[$1] } $2 == "member" && $3 ~ /^member / { members++ } $2 == "held" { held++ } $2 == "archive" { archived += $4 }
        END { for (one in lists) n++; printf "%d lists with %d members, %d held and %d archived messages\n", n, members, held, archived }' "$figures"
}

probe() {
    sane || return 2
    now=$(taken) || return 2
    [ "$now" = "$(cat "$figures" 2> /dev/null)" ]
}

capture() {
    sane && placed || return
    if [ -e "$figures.before" ]; then
        echo "$figures.before is in the way"
        return 1
    fi
    if [ -f "$figures" ]; then echo "figures=there"; else echo "figures=absent"; fi
}

apply() {
    sane && placed || return
    umask 077
    rm -f "$figures.new"
    taken > "$figures.new" || {
        rm -f "$figures.new"
        return 1
    }
    if [ "${captured_figures:-absent}" = there ] && [ ! -e "$figures.before" ]; then
        cp -p "$figures" "$figures.before.new" && mv "$figures.before.new" "$figures.before" || return
    fi
    mv "$figures.new" "$figures" && echo "$(count) are written down"
}

verify() {
    probe || {
        echo "the figures are not those of what is there now"
        return 1
    }
    case $(ls -l "$figures") in
        -???------*) echo "$(count), as they are now" ;;
        *)
            echo "others can read $figures"
            return 1
            ;;
    esac
}

undo() {
    sane || return
    rm -f "$figures.new" "$figures.before.new" || return
    if [ "${captured_figures:-there}" = absent ]; then
        rm -f "$figures"
    elif [ -e "$figures.before" ]; then
        mv "$figures.before" "$figures"
    fi || return
    echo "the figures are as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$figures.before" ] && [ ! -e "$figures.new" ] || return 1
    [ "${captured_figures:-there}" = there ] || [ ! -e "$figures" ] || return 1
    echo "the figures are as before"
}
