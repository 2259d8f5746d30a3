"""The site of the floating address, before and after its relaunch, and its search server: what a customer's PHP and Solr do.

    python3 relaunch.py site PORT NAME DATABASE CORE SEARCH FOLDER
    python3 relaunch.py search ADDRESS PORT FOLDER

The site speaks to PostgreSQL as the account that it runs as. NAME `old` is the single site, `new` the multisite, in which each
article is on a domain. Each POST has `n=NUMBER` and is in the database before it is acknowledged: /write (an article),
/register (a user), /login (a session) and /draft (a half-filled form in cache_form). Files in FOLDER switch it: `freeze-content`
refuses articles, `freeze-registration` refuses new users, and everything else goes on; `maintenance` refuses everything.
With `check=1` a POST says whether it would be taken, and takes nothing.

The search server keeps cores: documents by id, each with its domain and its text, in a file per core.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

KINDS = {"/write": "content", "/register": "registration", "/login": "", "/draft": ""}
"""What people post, and the freeze that refuses it."""


class Database:
    """One session with PostgreSQL, opened again when it was ended; one at a time speaks."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._session: int | None = None
        self._pq = pq = ctypes.CDLL("libpq.so.5")
        for function in (pq.PQconnectdb, pq.PQexecParams):
            function.restype = ctypes.c_void_p
        for function in (pq.PQgetvalue, pq.PQerrorMessage):
            function.restype = ctypes.c_char_p

    def ask(self, text: str, *values: object) -> list[list[str]]:
        """The rows that a statement gives. Raises OSError when the server cannot be asked, or says no."""
        pq = self._pq
        with self._lock:
            if self._session is None or pq.PQstatus(ctypes.c_void_p(self._session)):
                self._leave()
                self._session = pq.PQconnectdb(f"dbname={self._name} connect_timeout=5".encode())
            session = ctypes.c_void_p(self._session)
            given = (ctypes.c_char_p * len(values))(*(str(value).encode() for value in values))
            result = ctypes.c_void_p(
                pq.PQexecParams(session, text.encode(), len(values), None, given, None, None, 0),
            )
            try:
                if pq.PQresultStatus(result) not in {1, 2}:
                    raise OSError(pq.PQerrorMessage(session).decode(errors="replace"))
                rows, columns = range(pq.PQntuples(result)), range(pq.PQnfields(result))
                return [[pq.PQgetvalue(result, row, column).decode() for column in columns] for row in rows]
            finally:
                pq.PQclear(result)

    def _leave(self) -> None:
        if self._session is not None:
            self._pq.PQfinish(ctypes.c_void_p(self._session))
            self._session = None


class Answer(BaseHTTPRequestHandler):
    """One request; what both servers have in common."""

    protocol_version = "HTTP/1.0"
    name = ""

    def say(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in (("Content-Type", "text/html; charset=utf-8"), ("X-Served-By", self.name), *headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def said(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Site(Answer):
    """The site."""

    database: Database
    core, search, folder = "", "", Path()

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        try:
            if where.path == "/served-by":
                self.say(200, self.name)
            elif self.off("maintenance"):
                self.say(503, "maintenance" if where.path == "/whoami" else "in maintenance mode")
            elif where.path == "/whoami":
                self.say(200, "frozen" if self.off("freeze-content") else self.name)
            elif where.path == "/me":
                session = (self.headers.get("Cookie") or "").partition("session=")[2].partition(";")[0]
                found = self.ask("select name from users join sessions using (uid) where sid = $1", session)
                name = found[0][0] if found else "nobody"
                self.say(200 if found else 403, f"you are {name}, served by {self.name}")
            elif where.path == "/search":
                words = parse_qs(where.query).get("q", [""])[0]
                with urlopen(f"http://{self.search}/{self.core}/count?q={words}", timeout=5) as answer:
                    self.say(200, f"{answer.read().decode()} hits, served by {self.name}")
            else:
                self.say(200, f"<title>The site</title>{self.ask('select count(*) from node')[0][0]} articles")
        except OSError as error:
            self.say(500, str(error))

    def do_POST(self) -> None:
        fields = {key: values[0] for key, values in parse_qs(self.said()).items()}
        freeze = KINDS.get(self.path)
        number = fields.get("n", "0")
        if freeze is None or not number.isdigit():
            self.say(400, "what?")
        elif self.off("maintenance") or (freeze and self.off(f"freeze-{freeze}")):
            self.say(503, f"frozen: {freeze or 'everything'}")
        elif fields.get("check"):
            self.say(200, "would be taken")
        else:
            try:
                self.take(self.path, int(number), fields)
            except OSError as error:
                self.say(500, str(error))

    def take(self, path: str, number: int, fields: dict[str, str]) -> None:
        if path == "/write":
            self.article(number)
        elif path == "/register":
            self.ask("insert into users (name, pass) values ($1, 'secret')", f"member {number}")
        elif path == "/draft":
            self.ask("insert into cache_form (number, form) values ($1, $2)", number, f"half of {number}")
        else:
            user, password = fields.get("name", "editor"), fields.get("pass", "hunter2")
            found = self.ask("select uid from users where name = $1 and pass = $2", user, password)
            if not found:
                self.say(403, "who are you?")
                return
            session = uuid.uuid4().hex
            self.ask("insert into sessions (sid, number, uid) values ($1, $2, $3)", session, number, found[0][0])
            self.say(201, f"welcome, {user}", ("Set-Cookie", f"session={session}; HttpOnly"))
            return
        self.say(201, f"taken {number}")

    def article(self, number: int) -> None:
        title, body = f"Number {number}", f"What happened at {number}"
        if self.name == "old":
            text = "insert into node (number, title, body, section) values ($1, $2, $3, 'news') returning nid, section"
            nid, place = self.ask(text, number, title, body)[0]
        else:
            text = (
                "with n as (insert into node (number, title, body) values ($1, $2, $3) returning nid) insert into "
                "domain_access (nid, domain) select nid, name from n, domain where section = 'news' returning nid, domain"
            )
            nid, place = self.ask(text, number, title, body)[0]
        document = json.dumps({"id": int(nid), "domain": place, "text": f"{title} {body}"}) + "\n"
        with urlopen(Request(f"http://{self.search}/{self.core}/update", document.encode()), timeout=5) as answer:
            answer.read()

    def ask(self, text: str, *values: object) -> list[list[str]]:
        return self.database.ask(text, *values)

    def off(self, switch: str) -> bool:
        return (self.folder / switch).exists()


class Search(Answer):
    """The search server."""

    name = "search"
    folder = Path()
    cores: dict[str, dict[int, dict[str, str]]] = {}  # noqa: RUF012 - all requests share them
    lock = threading.Lock()

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        core, _, _ = where.path.strip("/").partition("/")
        asked = {key: values[0] for key, values in parse_qs(where.query).items()}
        with self.lock:
            documents = self.cores.get(core)
            found = [
                document
                for document in (documents or {}).values()
                if asked.get("domain") in {None, document["domain"]} and asked.get("q", "") in document["text"]
            ]
        self.say(200, "none" if documents is None else str(len(found)))

    def do_POST(self) -> None:
        core, _, _ = self.path.strip("/").partition("/")
        documents = [json.loads(line) for line in self.said().splitlines()]
        with self.lock:
            self.cores.setdefault(core, {}).update({document["id"]: document for document in documents})
            self.keep(core)
        self.say(200, str(len(documents)))

    def do_DELETE(self) -> None:
        core = self.path.strip("/")
        with self.lock:
            self.cores.pop(core, None)
            (self.folder / f"{core}.json").unlink(missing_ok=True)
        self.say(200, "gone")

    def keep(self, core: str) -> None:
        file = self.folder / f"{core}.json"
        file.with_suffix(".new").write_text(json.dumps(self.cores[core]))
        file.with_suffix(".new").replace(file)


class Server(ThreadingHTTPServer):
    """It takes a new connection while others wait."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    words = sys.argv[2:]
    if sys.argv[1] == "site":
        Site.name, Site.core, Site.search, Site.folder = words[1], words[3], words[4], Path(words[5])
        Site.database = Database(words[2])
        Server(("127.0.0.1", int(words[0])), Site).serve_forever()
    else:
        Search.folder = Path(words[2])
        Server((words[0], int(words[1])), Search).serve_forever()
