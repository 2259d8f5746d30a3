"""A small web application with a data folder, as customers have them: it runs behind Apache or nginx under the host's Python.

    python3 app.py ADDRESS PORT NAME ROOT DOMAIN

It serves `CLIENT.DOMAIN` from ROOT/CLIENT and says in a header and at /whoami that it is NAME. A POST to /write with `n=NUMBER`
adds a line to ROOT/CLIENT/data/writes, on disk before it is acknowledged. A file ROOT/CLIENT.mode with `staging` in it makes
it read-only: then /whoami says `staging` and a write gets 503.

On a host it has nothing but the standard library; tests start it with `serve`.
"""

from __future__ import annotations

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.real.rig import RealHost

_LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.0"
    wbufsize = 65536
    """An answer leaves in one piece: who ends the program meanwhile leaves none, and not the half of one."""
    name, root, domain = "", Path(), ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        client = self._client()
        if client is None:
            self._say(404, "no such client")
        elif path == "/whoami":
            self._say(200, "staging" if self._staging(client) else self.name)
        elif path == "/served-by":
            self._say(200, self.name)
        elif path == "/login":
            self._say(200, f"<title>KARL {client}</title>\n<form>who are you?</form>")
        else:
            file = self.root / client / "pages" / (path.strip("/") or "index.html")
            if file.is_file() and ".." not in path:
                self._say(200, file.read_text())
            else:
                self._say(404, "no such page")

    def do_POST(self) -> None:
        client = self._client()
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if client is None or not text.startswith("n="):
            self._say(400, "what?")
        elif self._staging(client):
            self._say(503, "read-only")
        else:
            file = self.root / client / "data" / "writes"
            with _LOCK, file.open("a") as out:
                out.write(f"{text[2:]}\n")
                out.flush()
                os.fsync(out.fileno())
            self._say(201, f"taken {text[2:]}")

    def _client(self) -> str | None:
        client, _, rest = (self.headers.get("Host") or "").partition(":")[0].partition(".")
        return client if rest == self.domain and (self.root / client).is_dir() else None

    def _staging(self, client: str) -> bool:
        mode = self.root / f"{client}.mode"
        return mode.exists() and mode.read_text().strip() == "staging"

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Served-By", self.name)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """It takes a new connection while others wait."""

    daemon_threads = True
    request_queue_size = 128


def serve(
    host: RealHost,
    name: str,
    *,
    root: str = "/srv/karl",
    domain: str = "karl.test",
    address: str = "127.0.0.1",
    port: int = 8080,
) -> None:
    """Start it on a host: on the loopback for a web server before it, or with `address` 0.0.0.0 for itself."""
    from tests.real.world import listening, until, write

    write(host, "/usr/local/lib/karl-app.py", Path(__file__).read_text())
    host.spawn("/usr/bin/python3", "/usr/local/lib/karl-app.py", address, str(port), name, root, domain)
    until(lambda: listening(host, port), lambda: f"the application on {host.name}: {host.said()[-500:]}")


if __name__ == "__main__":
    Handler.name, Handler.root, Handler.domain = sys.argv[3], Path(sys.argv[4]), sys.argv[5]
    Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
