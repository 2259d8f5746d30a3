"""A small tracker as RT and Trac are: tickets in a database, which is PostgreSQL or a file of SQLite.

    python3 tracker.py PORT HOST TITLE MODE DATABASE

It says at /whoami that it is HOST, or `read-only` when it takes no tickets: because the file MODE does not hold `production`,
or because the database cannot be written. A POST to /write with `n=NUMBER` makes a ticket, in the database before it is
acknowledged. On a host it has nothing but what Debian has.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.0"
    host, title, mode, database = "", "", Path(), ""

    def do_GET(self) -> None:
        try:
            if self.path.partition("?")[0] == "/whoami":
                self._say(200, self.host if self._writable() else "read-only")
            else:
                self._say(200, f"<title>{self.title}</title>\n<p>{self._count()} tickets</p>")
        except Exception as error:
            self._say(503, f"the database is away: {error}")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        try:
            if not self._writable():
                self._say(503, "read-only")
            elif not text.startswith("n=") or not text[2:].isdigit():
                self._say(400, "what?")
            else:
                self._file(int(text[2:]))
                self._say(201, f"taken {text[2:]}")
        except Exception as error:
            self._say(503, f"read-only: {error}")

    def _connect(self) -> Any:
        if self.database.startswith("postgresql:"):
            import psycopg2

            return psycopg2.connect(self.database, connect_timeout=5)
        return sqlite3.connect(f"file:{self.database}?mode=rw", uri=True, timeout=5)

    def _file(self, number: int) -> None:
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute(f"insert into tickets (subject) values ('{number}')")
            connection.commit()
        finally:
            connection.close()

    def _count(self) -> int:
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("select count(*) from tickets")
            return int(cursor.fetchone()[0])
        finally:
            connection.close()

    def _writable(self) -> bool:
        if not self.mode.exists() or self.mode.read_text().strip() != "production":
            return False
        if not self.database.startswith("postgresql:"):
            return os.access(self.database, os.W_OK)
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("show transaction_read_only")
            return bool(cursor.fetchone()[0] == "off")
        except Exception:
            return False
        finally:
            connection.close()

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """It takes a new connection while others wait."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    port, Handler.host, Handler.title, mode, Handler.database = sys.argv[1:6]
    Handler.mode = Path(mode)
    Server(("127.0.0.1", int(port)), Handler).serve_forever()
