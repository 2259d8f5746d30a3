# recipe: Export Mailman's lists with settings, members, requests and archives into one file, for mailman-copy on the other host
# group: mail
# danger: low the file holds addresses and passwords of members; only its owner may read it
# undo: removes the file, or restores what was there
# param: file the file to write, a tar archive
# param: lists the lists by their addresses, blanks or line ends between (optional: all)
# param: archives `no` leaves the archived messages out, where a sync step carries them (optional)
# param: queued `leave` exports though messages of the lists wait in Mailman's queues: these stay here (optional)
# param: config Mailman's configuration (default /etc/mailman3/mailman.cfg)
# param: account the account that Mailman runs as (default list)
# param: python Mailman's own Python (optional: as the first line of the command mailman names it)
# needs: mailman setpriv sha256sum
# shellcheck shell=sh disable=SC2154

sane() {
    case $file in
        *"
"*) echo "the file is named over two lines"; return 1 ;;
        /*) ;;
        *) echo "the file is no absolute path: $file"; return 1 ;;
    esac
    case ${archives-}:${queued-} in
        : | :leave | no: | no:leave) export archives ;;
        *) echo "archives is \`no\` or left out, queued \`leave\` or left out"; return 1 ;;
    esac
}

placed() {
    if [ ! -d "${file%/*}/" ]; then
        echo "there is no folder ${file%/*}"
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

the_export() {
    cat << 'PY'
import tarfile

def queued(data):
    """The queues in which messages of these lists wait."""
    wanted = {one["list_id"] for one in data["lists"].values()}
    for queue in listed(config.QUEUE_DIR):
        for file in listed(os.path.join(config.QUEUE_DIR, queue)):
            try:
                with open(os.path.join(config.QUEUE_DIR, queue, file), "rb") as opened:
                    pickle.load(opened)
                    if pickle.load(opened).get("listid") in wanted:
                        yield queue
            except Exception:
                continue

def exported():
    """An archive of all that belongs to the lists, the same each time as long as they are the same."""
    wanted = os.environ["lists"].split()
    data = described(Rows(), wanted)
    for name in wanted:
        if name not in data["lists"]:
            fail(f"there is no list {name}", 1)
    waiting = sorted(queued(data)) if os.environ["queued"] != "leave" else []
    if waiting:
        fail(f"messages of these lists wait in Mailman's queues: {len(waiting)} in {' '.join(sorted(set(waiting)))}", 1)
    if not data["lists"]:
        fail("there are no lists", 1)
    messages = 0
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        def add(called, text, when=0):
            info = tarfile.TarInfo(called)
            info.size, info.mtime, info.mode = len(text), when, 0o600
            tar.addfile(info, io.BytesIO(text))
        add("lists.json", json.dumps(data, sort_keys=True).encode())
        for name, one in data["lists"].items():
            for kind, called, path in files(name, one):
                if kind != "archive" or with_archives:
                    with open(path, "rb") as file:
                        add(called, file.read(), int(os.stat(path).st_mtime))
                    messages += kind == "archive"
        add("whole", b"")
    members = sum(len(one["member"]) for one in data["lists"].values())
    print(f"{len(data['lists'])} lists with {members} members and {messages} archived messages are written down", file=sys.stderr)
PY
}

taken() {
    manager "$(the_lists)
$(the_export)
exported()" < /dev/null
}

probe() {
    sane || return 2
    [ -f "$file" ] || return 1
    now=$({ taken 2> /dev/null || echo "not whole"; } | sha256sum)
    [ "$now" = "$(sha256sum < "$file")" ]
}

capture() {
    sane && placed || return
    if [ -e "$file.before" ]; then
        echo "$file.before is in the way"
        return 1
    fi
    if [ -f "$file" ]; then echo "file=there"; else echo "file=absent"; fi
}

apply() {
    sane && placed || return
    umask 077
    rm -f "$file.new"
    said=$(taken 2>&1 > "$file.new") || {
        rm -f "$file.new"
        printf '%s\n' "$said" >&2
        return 1
    }
    if [ "${captured_file:-absent}" = there ] && [ ! -e "$file.before" ]; then
        cp -p "$file" "$file.before.new" && mv "$file.before.new" "$file.before" || return
    fi
    mv "$file.new" "$file" && printf '%s\n' "$said"
}

verify() {
    probe || {
        echo "the lists are no longer as they were exported"
        return 1
    }
    case $(ls -l "$file") in
        -???------*) echo "the lists are still as they were exported" ;;
        *)
            echo "others can read $file"
            return 1
            ;;
    esac
}

undo() {
    sane || return
    rm -f "$file.new" "$file.before.new" || return
    if [ "${captured_file:-there}" = absent ]; then
        rm -f "$file"
    elif [ -e "$file.before" ]; then
        mv "$file.before" "$file"
    fi || return
    echo "the file is as before"
}

verify_undo() {
    sane || return 2
    [ ! -e "$file.before" ] && [ ! -e "$file.new" ] || return 1
    [ "${captured_file:-there}" = there ] || [ ! -e "$file" ] || return 1
    echo "the file is as before"
}
