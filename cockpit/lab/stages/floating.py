"""The demo of `floating`: one site at one address that two hosts can hold, with a search server behind them, and no DNS."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cockpit.lab.account import Found
from cockpit.lab.addresses import HOSTS
from cockpit.lab.host import LabHost, keep_private
from cockpit.lab.keeper import Keeper, Side
from cockpit.lab.stage import Place, Server, Stage
from cockpit.lab.traffic import Person, Tally
from cockpit.lab.web import Answer, Request, Site, WebServer

if TYPE_CHECKING:
    from cockpit.lab.lab import Lab

ARTICLES, USERS = 600, 120
WATCH, SOLR = 40, 30
SINGLE_SITE = """
create table users (uid integer primary key, name text unique not null, pass text not null);
create table preferences (uid integer, key text, value text, primary key (uid, key));
create table node (
    nid integer primary key autoincrement, token text not null, title text not null, body text not null, section text not null
);
create table sessions (sid text primary key, token text not null, uid integer not null);
create table cache_form (cid integer primary key, token text not null, form text not null);
"""
FREEZES = {"/write": "content", "/register": "registration", "/login": "", "/draft": "", "/preferences": ""}
"""What people post, and the freeze that refuses it."""
LOSSES = {
    "logins": "sessions: they log in again",
    "forms": "cache_form: begun and not submitted",
    "preferences": "preferences: changed after the export",
}
IP = """\
#!/bin/sh
# What this host holds, as `ip -o addr show` tells it: loopback has no interface for each host.
[ "$*" = "-o addr show" ] || exit 0
{{ echo {address}; cat "$HOME/var/run/addresses" 2> /dev/null; }} | awk '{{ print "1: lo    inet " $1 "/8 scope host lo" }}'
"""


class Floating(Stage):
    """Two web servers, the search server, and a host that looks on from outside."""

    name = "floating"
    title = "a site relaunched behind a floating IP: a long import, partial freezes, one health file, no DNS"
    domain = "site.test"
    login = "root"
    hosts = (
        Place("old", "web-old", HOSTS[0]),
        Place("new", "web-new", HOSTS[1]),
        Place("watch", "watch", WATCH),
        Place("solr", "solr", SOLR),
    )
    kinds = ("articles", "registrations", *LOSSES)
    folders = ("srv/site", "srv/www", "srv/search", "var/backups", "var/run")
    ports = ("solr", "keeper")
    borrowed = ("site-login",)
    shared = ("sqlite-dump", "sqlite-restore")
    answers = ("site/announce=done",)

    def furnish(self, lab: Lab) -> None:
        """The single site with its articles and users, its core at the search server, and a new server in maintenance."""
        keep_private(lab.folder / "keys/check_password", "hunter2\n")
        for host, health in ((lab.old, "true"), (lab.new, "false")):
            host.put("srv/www/health", f"{health}\n")
            host.put("bin/ip", IP.format(address=host.address), 0o755)
            host.tool("database", "database.py")
        lab.new.put("srv/site/maintenance", "")
        file = lab.old.home / "srv/site/site.db"
        if file.exists():
            return
        rows = [
            (f"old-{n}", f"Old number {n}", f"What happened at {n}.\n" * 12, "jobs" if n % 3 == 0 else "news")
            for n in range(1, ARTICLES + 1)
        ]
        with closing(sqlite3.connect(file)) as link, link:
            link.executescript(SINGLE_SITE)
            link.execute("insert into users (name, pass) values ('editor', 'hunter2')")
            link.executemany(
                "insert into users (name, pass) values (?, 'secret')", [(f"member-{n}",) for n in range(USERS)]
            )
            link.execute("insert into preferences select uid, 'theme', 'dark' from users")
            link.executemany("insert into node (token, title, body, section) values (?, ?, ?, ?)", rows)
        core = [{"id": n, "domain": row[3], "text": f"{row[1]} {row[2]}"} for n, row in enumerate(rows, 1)]
        lab.hosts["solr"].put("srv/search/site.json", json.dumps({document["id"]: document for document in core}))

    def site(self, lab: Lab, host: LabHost) -> Relaunch | None:
        solr = (lab.where.host(SOLR), lab.where.port("solr"))
        return Relaunch(host, solr) if host.id in {"old", "new"} else None

    def servers(self, lab: Lab) -> Mapping[str, Server]:
        """The search server, and on each web server the keeper of the address."""
        private = {lab.old.address, lab.new.address, lab.hosts["solr"].address}
        search = Search(lab.hosts["solr"], frozenset(private))
        found: dict[str, Server] = {"solr": WebServer(lab.hosts["solr"], lab.where.port("solr"), search)}
        for host, peer, priority in ((lab.old, lab.new, 150), (lab.new, lab.old, 100)):
            side = Side(
                address=lab.where.service,
                peer=peer.address,
                port=lab.where.port("keeper"),
                priority=priority,
                health="/health",
            )
            found[f"keeper-{host.id}"] = Keeper(host, lab.web[host.id], lab.where.http_port, side)
        return found

    def people(self, lab: Lab, tally: Tally) -> Iterable[Coroutine[Any, Any, None]]:
        """Readers, an editor, people who register, who log in, who begin a form and leave, who change their preferences."""
        tasks = ("read", "/write", "/register", "/login", "/draft", "/preferences", "read")
        return [Reader(task, lab, at, tally).live() for at, task in enumerate(tasks)]

    def kept(self, lab: Lab) -> Found:
        """What lies in the database of the host that has taken writes last; what was declared lies in the old one only."""
        before = tokens(lab.old.home / "srv/site/site.db")
        opened = not (lab.new.home / "srv/site/maintenance").exists()
        after = Counter(token for token, _ in tokens(lab.new.home / "srv/site/multisite.db")) if opened else None
        kept = Counter(token for token, _ in before) if after is None else after
        lost = {token: LOSSES[kind] for token, kind in before if kind in LOSSES and not kept[token]}
        return Found(kept=kept, declared=lost)


class Relaunch(Site):
    """The site, before as a single site and afterwards as a multisite. Files in srv/site switch it: `freeze-content` refuses
    articles, `freeze-registration` new users, and everything else goes on; `maintenance` refuses everything. With `check=1` a
    POST says whether it would be taken, and takes nothing."""

    def __init__(self, host: LabHost, search: tuple[str, int]) -> None:
        self._host = host
        self._search = search
        self._old = host.id == "old"
        self._file = host.home / "srv/site" / ("site.db" if self._old else "multisite.db")
        self._core = "site" if self._old else "multisite"

    async def answer(self, request: Request) -> Answer:
        where = urlsplit(request.path)
        if where.path == "/health":
            answer = Answer(200, (self._host.home / "srv/www/health").read_text())
            answer.logged = False
            return answer
        if where.path == "/served-by":
            return Answer(200, f"{self._host.id}\n")
        try:
            if request.method == "POST":
                return await self._take(where.path, parse_qs(request.body.decode("utf-8", "replace")))
            return await self._show(where.path, parse_qs(where.query), request)
        except (OSError, sqlite3.Error, TimeoutError) as error:
            return Answer(500, f"{error}\n")

    async def _show(self, path: str, asked: dict[str, list[str]], request: Request) -> Answer:
        name = self._host.id
        if self._off("maintenance"):
            return Answer(503, "maintenance\n" if path == "/whoami" else "The site is in maintenance mode.\n")
        if path == "/whoami":
            return Answer(200, "frozen\n" if self._off("freeze-content") else f"{name}\n")
        if path == "/me":
            session = request.headers.get("cookie", "").partition("session=")[2].partition(";")[0]
            found = self._ask("select name from users join sessions using (uid) where sid = ?", session)
            return Answer(200 if found else 403, f"you are {found or 'nobody'}, served by {name}\n")
        if path == "/search":
            words = asked.get("q", [""])[0]
            return Answer(200, f"{await self._searched('GET', f'count?q={words}')} hits, served by {name}\n")
        count = self._ask("select count(*) from node")
        return Answer(200, f"<title>The site</title>\n<p>{count} articles, served by {name}</p>\n", "text/html")

    async def _take(self, path: str, fields: dict[str, list[str]]) -> Answer:
        freeze, token = FREEZES.get(path), fields.get("n", ["0"])[0]
        if freeze is None:
            return Answer(400, "what?\n")
        if self._off("maintenance") or (freeze and self._off(f"freeze-{freeze}")):
            return Answer(503, f"frozen: {freeze or 'everything'}\n")
        if "check" in fields:
            return Answer(200, "would be taken\n")
        if self._host.disk_full:
            return Answer(507, "No space left on device.\n")
        if path == "/write":
            await self._article(token)
        elif path == "/register":
            self._write("insert into users (name, pass) values (?, 'secret')", f"member {token}")
        elif path == "/draft":
            self._write("insert into cache_form (token, form) values (?, ?)", token, f"half of {token}")
        elif path == "/preferences":
            self._write("insert or replace into preferences select max(uid), ?, 'changed' from users", token)
        else:
            user, password = fields.get("name", [""])[0], fields.get("pass", [""])[0]
            known = self._ask("select uid from users where name = ? and pass = ?", user, password)
            if not known:
                return Answer(403, "who are you?\n")
            session = uuid.uuid4().hex
            self._write("insert into sessions (sid, token, uid) values (?, ?, ?)", session, token, known)
            return Answer(201, f"welcome, {user}\n", Set_Cookie=f"session={session}; HttpOnly")
        return Answer(201, f"taken {token}\n")

    async def _article(self, token: str) -> None:
        title, body = f"Number {token}", f"What happened at {token}"
        if self._old:
            text = "insert into node (token, title, body, section) values (?, ?, ?, 'news')"
            number, place = self._write(text, token, title, body), "news"
        else:
            number = self._write("insert into node (token, title, body) values (?, ?, ?)", token, title, body)
            place = self._ask("select name from domain where section = 'news'")
            self._write("insert into domain_access (nid, domain) values (?, ?)", str(number), place)
        document = {"id": number, "domain": place, "text": f"{title} {body}"}
        await self._searched("POST", "update", json.dumps(document))

    def _ask(self, text: str, *values: str) -> str:
        with closing(sqlite3.connect(self._file, timeout=5)) as link:
            row = link.execute(text, values).fetchone()
            return "" if row is None else str(row[0])

    def _write(self, text: str, *values: str) -> int:
        with closing(sqlite3.connect(self._file, timeout=5)) as link, link:
            return link.execute(text, values).lastrowid or 0

    async def _searched(self, method: str, what: str, body: str = "") -> str:
        """Ask the search server from this host's own address. Raises OSError when it does not take that."""
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*self._search, local_addr=(self._host.address, 0))
            try:
                head = f"{method} /{self._core}/{what} HTTP/1.1\r\nHost: solr\r\nConnection: close\r\n"
                writer.write(f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode())
                answer = (await reader.read()).decode()
            finally:
                writer.close()
        if " 200 " not in answer.partition("\r\n")[0]:
            raise OSError(f"the search server says {answer.partition(chr(13))[0]}")
        return answer.partition("\r\n\r\n")[2].strip()

    def _off(self, switch: str) -> bool:
        return (self._host.home / "srv/site" / switch).exists()


class Search(Site):
    """The search server: cores of documents by id, a file for each in srv/search. It serves the private network only."""

    def __init__(self, host: LabHost, private: frozenset[str]) -> None:
        self._folder = host.home / "srv/search"
        self._private = private
        self._cores: dict[str, dict[str, dict[str, str]]] = {}

    async def answer(self, request: Request) -> Answer:
        if request.peer not in self._private:
            return Answer(403, "not from this network\n")
        where = urlsplit(request.path)
        core, _, _ = where.path.strip("/").partition("/")
        if not re.fullmatch(r"[a-z0-9_]+", core):
            return Answer(404, "no such core\n")
        if request.method == "DELETE":
            self._cores.pop(core, None)
            (self._folder / f"{core}.json").unlink(missing_ok=True)
            return Answer(200, "gone\n")
        if request.method == "POST":
            documents = [json.loads(line) for line in request.body.decode().splitlines() if line]
            known = self._core(core)
            if known is None:
                known = self._cores[core] = {}
            known.update({str(document["id"]): document for document in documents})
            self._keep(core)
            return Answer(200, f"{len(documents)}\n")
        asked = {key: values[0] for key, values in parse_qs(where.query).items()}
        held = self._core(core)
        if held is None:
            return Answer(200, "none\n")
        found = [
            document
            for document in held.values()
            if asked.get("domain") in {None, document["domain"]} and asked.get("q", "") in document["text"]
        ]
        return Answer(200, f"{len(found)}\n")

    def _core(self, name: str) -> dict[str, dict[str, str]] | None:
        file = self._folder / f"{name}.json"
        if name not in self._cores and file.exists():
            self._cores[name] = json.loads(file.read_text())
        return self._cores.get(name)

    def _keep(self, name: str) -> None:
        file = self._folder / f"{name}.json"
        file.with_suffix(".new").write_text(json.dumps(self._cores[name]))
        file.with_suffix(".new").replace(file)


class Reader(Person):
    """Somebody at the one address that everybody knows."""

    def __init__(self, task: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(task.strip("/"), lab.where, index, tally, pace=0.6)
        self._task = task
        self._address = lab.where.service

    async def act(self) -> None:
        if self._task == "read":
            path = self.chance.choice(("/", "/", "/search?q=Number", "/served-by"))
            await self.read(self._address, "www.site.test", path)
            return
        text = "n={token}&name=editor&pass=hunter2" if self._task == "/login" else "n={token}"
        await self.give(self._address, "www.site.test", self._task, KINDS[self._task], "site", text)


KINDS = dict(zip(FREEZES, Floating.kinds, strict=True))


def tokens(file: Path) -> list[tuple[str, str]]:
    """Each token in a database of the site, with its kind."""
    if not file.is_file():
        return []
    texts = {
        "articles": "select token from node",
        "registrations": "select substr(name, 8) from users where name like 'member %'",
        "logins": "select token from sessions",
        "forms": "select token from cache_form",
        "preferences": "select key from preferences where value = 'changed'",
    }
    with closing(sqlite3.connect(file, timeout=5)) as link:
        return [(token, kind) for kind, text in texts.items() for (token,) in link.execute(text)]
