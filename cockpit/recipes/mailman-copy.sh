# recipe: Bring the lists that mailman-export wrote on the other host into Mailman here, with members, requests and archives
# group: mail
# danger: high the lists are here, too: from now on this Mailman sends what it is handed for them
# undo: removes the lists again, with what came here for them, and the people whom nothing else here knows
# param: file the other host's export
# param: accepted settings that this Mailman does not know and that may be lost, blanks or line ends between (optional)
# param: config Mailman's configuration (default /etc/mailman3/mailman.cfg)
# param: account the account that Mailman runs as (default list)
# param: python Mailman's own Python (optional: as the first line of the command mailman names it)
# needs: mailman setpriv
# shellcheck shell=sh disable=SC2154

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

the_export() {
    cat << 'PY'
import base64, datetime, hashlib, json, os, pickle, shutil, sys, tarfile, uuid
from pathlib import Path
from string import Template
from mailman.config import config

def fail(why, status=2):
    print(why.replace("\n", " "), file=sys.stderr, flush=True)
    os._exit(status)

sys.excepthook = lambda kind, error, trace: fail(f"Mailman cannot be asked: {kind.__name__}: {error}"[:300])
# No more of Mailman than is needed: nothing is sent, and nothing but the lists is changed.
config.create_paths, config._clear = False, lambda: None
config.load(os.environ["config"])
URL = Template(config.database.url).safe_substitute(config.paths)
FOLDERS = {"archives": config.ARCHIVE_DIR, "lists": config.LIST_DATA_DIR, "messages": config.MESSAGES_DIR, "templates": config.TEMPLATE_DIR}

def here():
    """The lists of this host."""
    if URL.startswith("sqlite:"):
        import sqlite3
        raw = sqlite3.connect(f"file:{URL.partition('///')[2]}?mode=rw", uri=True)
    else:
        import sqlalchemy
        raw = sqlalchemy.create_engine(URL).raw_connection()
    cursor = raw.cursor()
    cursor.execute("select list_name, mail_host from mailinglist")
    return {f"{name}@{host}" for name, host in cursor.fetchall()}

def opened():
    """What was exported, and the rest of its archive."""
    tar = tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
    first = tar.next()
    if first is None or first.name != "lists.json":
        fail("this is no export of lists")
    return json.load(tar.extractfile(first)), tar
def carried(tar):
    """Each file: what it is called, where it belongs here, what it holds, and from when it is."""
    while one := tar.next():
        if one.name == "whole":
            return
        top, _, inner = one.name.partition("/")
        if top not in FOLDERS or not one.isreg() or ".." in inner.split("/"):
            fail(f"an export of lists holds no {one.name}")
        yield one.name, os.path.join(FOLDERS[top], inner), tar.extractfile(one).read(), one.mtime
    fail("the export is not whole")
def ledger_of(names):
    # What a step has made stands there until it is undone.
    key = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:16]
    return os.path.join(config.DATA_DIR, f"cutover-{key}.json")
def noted(names):
    return json.loads(Path(ledger_of(names)).read_text()) if os.path.exists(ledger_of(names)) else None
def note(names, what):
    with open(ledger_of(names) + ".new", "w") as file:
        json.dump(what, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(ledger_of(names) + ".new", ledger_of(names))
def places(data):
    return [os.path.join(FOLDERS[top], inner) for one in data["lists"].values() for top, _, inner in (f.partition("/") for f in one["folders"])]

def refused(data):
    # Nothing that is here already is written over, unless an earlier attempt has brought it.
    if noted(data["lists"]) is None:
        for name in sorted(here() & set(data["lists"])):
            fail(f"{name} is here already", 1)
        for place in places(data):
            if os.path.isdir(place) and os.listdir(place):
                fail(f"there is something at {place} already", 1)
def full():
    # All of Mailman, as its own commands have it. What a list's settings are called in it.
    if not config.create_paths:
        config.create_paths = True
        del config._clear
        from mailman.core.initialize import initialize
        initialize(os.environ["config"])
    from mailman.model.mailinglist import MailingList
    return {column.name: one.key for one in MailingList.__mapper__.column_attrs for column in one.columns}
def plain(value):
    # A value as the other host has exported it.
    if isinstance(value, (bool, list)):
        return {"list": list(value)} if isinstance(value, list) else int(value)
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime.timedelta):
        value = datetime.datetime(1970, 1, 1) + value
    return value.isoformat(" ", "microseconds") if isinstance(value, datetime.datetime) else getattr(value, "value", value)
PY
}

the_look() {
    cat << 'PY'
def seen(data, tar):
    # By Mailman's own words, not by its tables.
    names = full()
    from mailman.interfaces.listmanager import IListManager
    from mailman.interfaces.member import MemberRole
    from mailman.interfaces.messages import IMessageStore
    from mailman.interfaces.requests import IListRequests
    from zope.component import getUtility
    said, more, lost, count = [], 0, 0, 0
    going = "digest_last_sent_at", "last_post_at", "next_digest_number", "next_request_id", "post_id", "volume", *os.environ["accepted"].split()
    chosen = "acknowledge_posts", "receive_list_copy", "receive_own_postings", "delivery_mode", "delivery_status"
    for name, one in data["lists"].items():
        mlist, store = getUtility(IListManager).get(name), getUtility(IMessageStore)
        if mlist is None:
            said.append(f"{name} is not here")
            continue
        said += [f"{name}: {column} is another one here" for column, value in one["settings"].items()
                 if column in names and column not in going and plain(getattr(mlist, names[column])) != value]
        found = {(member.role.value, member.address.email): member for role in MemberRole for member in mlist.get_roster(role).members}
        for row in one["member"]:
            member = found.pop((row["role"], row["email"]), None)
            if member is None:
                said.append(f"{name}: {row['email']} is no {MemberRole(row['role']).name} here")
                continue
            said += [f"{name}: {row['email']} has another {option} here" for option in chosen
                     if plain(getattr(member, option)) != row["effective"][option]]
        more, count = more + len(found), count + len(one["member"])
        held = {request.key for request in IListRequests(mlist).held_requests}
        said += [f"{name}: {row['key']} is not held here" for row in one["belonging"]["_request"] if row["key"] not in held]
        said += [f"{name}: the held {row['message_id']} is lost" for row in one["message"] if store.get_message_by_id(row["message_id"]) is None]
    for called, path, text, _ in carried(tar):
        if not called.startswith("lists/"):
            lost += not (os.path.isfile(path) and Path(path).read_bytes() == text)
    if lost:
        said.append(f"{lost} archived or held messages are not here as they were")
    if said:
        print("; ".join(said[:5]) + (f"; and {len(said) - 5} more" if len(said) > 5 else ""), flush=True)
        os._exit(1)
    print(f"{len(data['lists'])} lists with {count} members of all roles are here as they were exported" + (f", {more} more" if more else ""))
PY
}

the_copy() {
    cat << 'PY'
import sqlalchemy
engine, known = sqlalchemy.create_engine(URL, future=True), sqlalchemy.MetaData()
known.reflect(engine)
db, tables = engine.connect(), known.tables

def rows(table):
    found = [row._asdict() for row in db.execute(tables[table].select())]
    for row, key in ((row, key) for row in found for key in ("_user_id", "_member_id") if row.get(key)):
        row[key] = uuid.UUID(str(row[key])).hex
    return found
def typed(column, value):
    kind = type(column.type).__name__.upper()
    if isinstance(value, dict):
        return pickle.dumps(value["list"]) if "list" in value else base64.b64decode(value["bytes"])
    if value is None or kind not in ("DATETIME", "TIMESTAMP", "INTERVAL", "DATE", "BOOLEAN"):
        return value
    if kind in ("DATE", "BOOLEAN"):
        return datetime.date.fromisoformat(value) if kind == "DATE" else bool(value)
    moment = datetime.datetime.fromisoformat(value)
    return moment - datetime.datetime(1970, 1, 1) if kind == "INTERVAL" else moment
def finish():
    # The tables of the mail server follow from the lists.
    db.commit()
    if not config.mta.incoming.endswith(".NullMTA"):
        full()
        from mailman.utilities.modules import call_name
        call_name(config.mta.incoming).regenerate()

class Import:
    """Puts lists into the database, with the people who are not known here yet; who is known keeps what he has."""
    def __init__(self, data, fresh):
        self.data, self.fresh, self.made = data, fresh, {"users": [], "addresses": [], "domains": [], "messages": []}
        self.emails = {row["email"]: row for row in rows("address")}
        self.people = {row["id"]: row for row in rows("user")}
        self.here = {row["_user_id"]: key for key, row in self.people.items()}
        self.choices = {row["id"]: row for row in rows("preferences")}
    def put(self, table, row, **more):
        columns = tables[table].columns
        values = {**{k: v for k, v in row.items() if k in columns}, **more}
        for name in ("_user_id", "_member_id"):
            if name in values:
                self.put("uid", {"uid": values[name]})
        values = {k: typed(columns[k], v) for k, v in values.items()}
        return db.execute(tables[table].insert().values(**values)).inserted_primary_key[0]
    def preferences(self, chosen):
        key = self.put("preferences", chosen)
        self.choices[key] = chosen
        return key
    def address(self, one, owner):
        if one["email"] not in self.emails:
            chosen = self.preferences(one["preferences"])
            key = self.put("address", one, user_id=owner, preferences_id=chosen)
            self.emails[one["email"]] = {"id": key, "user_id": owner, "preferences_id": chosen}
            self.made["addresses"].append(one["email"])
        return self.emails[one["email"]]["id"]
    def user(self, user):
        known = [self.emails[one["email"]]["user_id"] for one in user["addresses"] if one["email"] in self.emails]
        key = self.here.get(user["_user_id"], next((one for one in known if one is not None), None))
        new = key is None
        if new:
            chosen = self.preferences(user["preferences"])
            # Who administers the other host does not for that administer this one.
            key = self.put("user", user, is_server_owner=0, preferences_id=chosen)
            self.people[key] = {"preferences_id": chosen, "_preferred_address_id": None}
            self.made["users"].append(user["_user_id"])
        self.here[user["_user_id"]] = key
        keys = {one["email"]: self.address(one, key) for one in user["addresses"]}
        if new and user["preferred"] in keys:
            self.people[key]["_preferred_address_id"] = first = keys[user["preferred"]]
            db.execute(tables["user"].update().where(tables["user"].c.id == key).values(_preferred_address_id=first))
    def member(self, row, key):
        email, owner = self.emails[row["email"]], self.people.get(self.here.get(row["user"]))
        as_user = owner is not None and owner["_preferred_address_id"] == email["id"]
        of_user = owner if as_user else self.people.get(email["user_id"])
        layers = [dict(row["preferences"])] + [self.choices.get(one["preferences_id"], {}) for one in (email, of_user) if one]
        for name, value in row["effective"].items():
            # What he has chosen for himself here is not what he had there: then it is said of this list.
            if next((one[name] for one in layers if one.get(name) is not None), self.data["usual"][name]) != value:
                layers[0][name] = value
        self.put("member", row, list_id=key, preferences_id=self.preferences(layers[0]),
                 user_id=self.here[row["user"]] if as_user else None, address_id=None if as_user else email["id"])
    def run(self):
        for user in self.data["user"]:
            self.user(user)
        for one in self.data["address"]:
            self.address(one, None)
        hosts = {row["mail_host"] for row in rows("domain")}
        for row in self.data["domain"]:
            if row["mail_host"] not in hosts:
                key = self.put("domain", row)
                self.made["domains"].append(row["mail_host"])
                for owner in row["owners"]:
                    db.execute(tables["domain_owner"].insert().values(user_id=self.here[owner], domain_id=key))
        self.messages, self.tokens = {row["message_id"] for row in rows("message")}, {row["token"] for row in rows("pended")}
        for name, one in self.data["lists"].items():
            self.mailing_list(name, one)
    def mailing_list(self, name, one):
        key, (local, _, host), requests = one["list_id"], name.partition("@"), {}
        number = self.put("mailinglist", {**self.fresh, **one["settings"]}, list_id=key, list_name=local, mail_host=host)
        for kind, belonging in one["belonging"].items():
            for row in belonging:
                who = {"address_id": self.emails[row["address"]]["id"]} if row.get("address") else {}
                whose = {"mailing_list_id": number, "list_id": key, "context": key}
                made = self.put(kind, row, **who, **{k: v for k, v in whose.items() if k in tables[kind].columns})
                if kind == "_request":
                    requests[row["key"]] = made
        for row in one["member"]:
            self.member(row, key)
        for row in one["message"]:
            if row["message_id"] not in (*self.messages, *self.made["messages"]):
                self.made["messages"].append(row["message_id"])
                self.put("message", row)
        for row in one["pended"]:
            if row["token"] not in self.tokens:
                pended, values = self.put("pended", row), dict(row["values"])
                if row.get("request") in requests:
                    values["id"] = json.dumps(requests[row["request"]])
                for k, v in values.items():
                    self.put("pendedkeyvalue", {"key": k, "value": v}, pended_id=pended)
                if row["step"]:
                    # Who is known here by another number waits under that.
                    step = dict(row["step"])
                    for theirs, own in self.here.items():
                        step["data"] = step["data"].replace(theirs, self.people[own].get("_user_id", theirs))
                    self.put("workflowstate", step)
def unknown(data):
    found = [(kind, row) for one in data["lists"].values() for kind, rows_ in one["belonging"].items() for row in rows_]
    found += [("mailinglist", one["settings"]) for one in data["lists"].values()]
    named = {(k, kind) for kind, row in found for k, v in row.items() if v is not None and k not in tables[kind].columns and k != "address"}
    return sorted(k for k, kind in named if k not in os.environ["accepted"].split())

def usual(columns):
    # What only this Mailman knows is as in a list that it would make.
    if not columns:
        return {}
    names = full()
    from mailman.interfaces.styles import IStyleManager
    from mailman.model.mailinglist import MailingList
    from zope.component import getUtility
    sample = MailingList("cutover@localhost")
    os.rmdir(sample.data_path)
    getUtility(IStyleManager).get(config.styles.default).apply(sample)
    return {column: plain(getattr(sample, names[column])) for column in columns}

def copied(data, tar):
    refused(data)
    lacking = unknown(data)
    if lacking:
        fail(f"this Mailman knows no {', '.join(lacking)}: name in accepted what may be lost", 1)
    if here() >= set(data["lists"]):
        finish()
        print("the lists are here already")
        return
    fresh = set(tables["mailinglist"].columns.keys()) - {"id", "list_id", "list_name", "mail_host"}
    fresh = usual(fresh.difference(*(one["settings"] for one in data["lists"].values())))
    more = [os.path.join(config.ARCHIVE_DIR, "prototype", name) for name in data["lists"]]
    more += [os.path.join(config.MESSAGES_DIR, row["path"]) for one in data["lists"].values() for row in one["message"]]
    taken = places(data) + [place for place in more if not os.path.exists(place)]
    ledger = {"made": {}, "places": (noted(data["lists"]) or {}).get("places") or taken}
    note(data["lists"], ledger)
    for called, path, text, when in carried(tar):
        if called.startswith("messages/") and os.path.exists(path):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".cutover", "wb") as file:
            file.write(text)
        os.utime(path + ".cutover", (when, when))
        os.rename(path + ".cutover", path)
    for place in (one for one in places(data) if os.path.basename(os.path.dirname(one)) == "prototype"):
        for inner in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(place, inner), exist_ok=True)
    new = Import(data, fresh)
    new.run()
    note(data["lists"], {**ledger, "made": new.made})
    finish()
    print(f"{len(data['lists'])} lists are copied")
def undone(names):
    ledger = noted(names)
    if ledger is None:
        for name in sorted(here() & set(names)):
            fail(f"{name} is here, but this step has not brought it", 1)
        print("there is nothing to take back")
        return
    made = {kind: set(ledger["made"].get(kind, ())) for kind in ("users", "addresses", "domains", "messages")}
    def drop(table, column, values):
        for value in values:
            db.execute(tables[table].delete().where(tables[table].c[column] == value))
    keys = {row["list_id"]: row["id"] for row in rows("mailinglist") if f"{row['list_name']}@{row['mail_host']}" in names}
    asked = {json.dumps(key) for key in keys}
    tokens = {row["data_hash"] for row in rows("_request") if row["mailing_list_id"] in keys.values()}
    pended = {row["pended_id"] for row in rows("pendedkeyvalue") if row["key"] in ("list_id", "_mod_listid") and row["value"] in asked}
    pended |= {row["id"] for row in rows("pended") if row["token"] in tokens}
    drop("workflowstate", "token", [row["token"] for row in rows("pended") if row["id"] in pended])
    drop("pendedkeyvalue", "pended_id", pended)
    drop("pended", "id", pended)
    members = [row for row in rows("member") if row["list_id"] in keys]
    drop("uid", "uid", [row["_member_id"] for row in members])
    for table in tables.values():
        for column, values in (("mailing_list_id", keys.values()), ("list_id", keys), ("context", keys)):
            if column in table.columns and table.name != "mailinglist" and (column, table.name) != ("context", "bounceevent"):
                drop(table.name, column, values)
    drop("preferences", "id", [row["preferences_id"] for row in members])
    drop("mailinglist", "list_id", keys)
    hosts = made["domains"] - {row["mail_host"] for row in rows("mailinglist")}
    domains = [row["id"] for row in rows("domain") if row["mail_host"] in hosts]
    drop("domain_owner", "domain_id", domains)
    drop("domain", "id", domains)
    # Who has subscribed to something else since stays.
    used = {row["address_id"] for table in tables.values() if "address_id" in table.columns for row in rows(table.name)}
    addresses = {row["id"]: row for row in rows("address") if row["email"] in made["addresses"]}
    busy = {row["user_id"] for row in rows("address") if row["id"] in used or row["id"] not in addresses}
    busy |= {row["user_id"] for table in ("member", "domain_owner") for row in rows(table)}
    ours = {row["id"]: row for row in rows("user") if row["_user_id"] in made["users"]}
    users = {key: row for key, row in ours.items() if key not in busy}
    used |= {row["_preferred_address_id"] for row in rows("user") if row["id"] not in users}
    gone = {key: row for key, row in addresses.items() if key not in used and (row["user_id"] in users or row["user_id"] not in ours)}
    for key in users:
        db.execute(tables["user"].update().where(tables["user"].c.id == key).values(_preferred_address_id=None))
    drop("address", "id", gone)
    drop("user", "id", users)
    drop("preferences", "id", [row["preferences_id"] for row in (*gone.values(), *users.values())])
    drop("uid", "uid", [row["_user_id"] for row in users.values()])
    drop("message", "message_id", made["messages"] - {row["key"] for row in rows("_request")})
    finish()
    kept = {os.path.join(config.MESSAGES_DIR, row["path"]) for row in rows("message")}
    for path in (path + more for path in ledger["places"] if path not in kept for more in ("", ".cutover")):
        (shutil.rmtree if os.path.isdir(path) else os.remove)(path) if os.path.exists(path) else None
    os.remove(ledger_of(names))
    print(f"{len(names)} lists are gone again")
PY
}

there() {
    if [ ! -r "$file" ]; then
        echo "there is no export at $file"
        return 1
    fi
}

probe() {
    there || return 2
    manager "$(the_export)
data, _ = opened()
sys.exit(not here() >= set(data['lists']))" < "$file"
}

capture() {
    there || return
    manager "$(the_export)
data, _ = opened()
refused(data)
print('lists=' + ' '.join(sorted(data['lists'])))" < "$file"
}

apply() {
    there || return
    manager "$(the_export)
$(the_copy)
copied(*opened())" < "$file"
}

verify() {
    there || return 2
    manager "$(the_export)
$(the_look)
seen(*opened())" < "$file"
}

undo() {
    lists=${captured_lists:?nothing was captured} manager "$(the_export)
$(the_copy)
undone(os.environ['lists'].split())" < /dev/null
}

verify_undo() {
    lists=${captured_lists:?nothing was captured} manager "$(the_export)
names = set(os.environ['lists'].split())
if here() & names or noted(names):
    fail('what was copied is still here', 1)
print(f'none of {len(names)} lists is here')" < /dev/null
}
