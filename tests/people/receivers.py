"""What receives notices in tests: a mail server, web hooks of several shapes, an IRC server. Real sockets, small servers."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class Hooks:
    """A web server that keeps what is posted to it. What `breaks` names is answered so: a status, or 0 for no answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.breaks: dict[str, int] = {}
        self.held = threading.Event()
        self.held.set()
        """While it is clear, requests are taken in and not answered."""

    def texts(self, path: str) -> list[dict[str, Any]]:
        return [body for where, body in self.got if where.startswith(path)]


@contextmanager
def hooks() -> Iterator[Hooks]:
    """Web hooks on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            taken.got.append((self.path, json.loads(raw) if raw.startswith(b"{") else {"raw": raw.decode()}))
            status = next((code for path, code in taken.breaks.items() if self.path.startswith(path)), 200)
            taken.held.wait(30)
            if not status:
                self.close_connection = True
                self.connection.shutdown(2)
                return
            said = b'{"access_token": "t", "home_server": "h", "user_id": "@u:h", "room_id": "!r:h", "event_id": "$e", "ok": true}'
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_PUT = do_GET = _take

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken = Hooks(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        taken.held.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Box:
    """Keeps what a mail server was given."""

    def __init__(self) -> None:
        self.got: list[tuple[tuple[str, ...], str]] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.got.append((tuple(envelope.rcpt_tos), envelope.content.decode()))
        return "250 taken"


class AnyPort(Controller):
    """A controller that asks itself on the port that it got."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail() -> Iterator[tuple[Box, int]]:
    """A mail server on a port of loopback."""
    box = Box()
    controller = AnyPort(box, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@contextmanager
def irc() -> Iterator[tuple[list[str], int]]:
    """An IRC server that lets everybody in and keeps what is said."""
    said: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            nick = "x"
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                word, _, rest = line.partition(" ")
                match word.upper():
                    case "NICK":
                        nick = rest.lstrip(":")
                    case "USER":
                        self._say(f":here 001 {nick} :welcome", f":here 376 {nick} :end of the day's message")
                    case "PING":
                        self._say(f":here PONG here {rest}")
                    case "JOIN":
                        room = rest.split()[0]
                        self._say(f":{nick}!u@h JOIN {room}", f":here 366 {nick} {room} :end of names")
                    case "PRIVMSG":
                        said.append(rest)
                    case "QUIT":
                        self._say("ERROR :bye")
                        return

        def _say(self, *lines: str) -> None:
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield said, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
