"""A small KARL, as it lies in each release of the lab: an application of one client, behind the host's web server.

    python3 karl.py ADDRESS PORT TAG CLIENT ROOT

ROOT/CLIENT/data/current is its data, which a release does not hold: `pages/` are shown, and a POST to /write with `n=TOKEN`
adds a line to `writes`, on disk before it is acknowledged. ROOT/sites/CLIENT.mode with `staging` in it makes it read-only.
It logs to `log/karl.log` in the folder that it runs in. Standard library only.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.0"
    tag, client, root = "", "", Path()
    lock = threading.Lock()

    def do_GET(self) -> None:
        """A page of the data, or what the application says of itself."""
        path = self.path.partition("?")[0]
        if path == "/whoami":
            self.say(200, "staging" if self.staging() else self.tag)
        elif path == "/served-by":
            self.say(200, self.tag)
        elif path == "/login":
            self.say(200, f"<title>KARL {self.client}</title>\n<form>who are you?</form>")
        else:
            file = self.data() / "pages" / (path.strip("/") or "index.html")
            if ".." in path or not file.is_file():
                self.say(404, "no such page")
            else:
                self.say(200, file.read_text())

    def do_POST(self) -> None:
        """Take an entry: on disk before it is acknowledged, 503 in staging mode."""
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path != "/write" or not text.startswith("n="):
            self.say(400, "what?")
            return
        with self.lock:
            # The mode is asked inside: a write is on disk before a change of mode is answered.
            if self.staging():
                self.say(503, "read-only")
                return
            with (self.data() / "writes").open("a") as out:
                out.write(f"{text[2:].strip()}\n")
                out.flush()
                os.fsync(out.fileno())
        self.say(201, f"taken {text[2:].strip()}")

    def data(self) -> Path:
        """The data in use."""
        return self.root / self.client / "data/current"

    def staging(self) -> bool:
        """Whether it is read-only now."""
        mode = self.root / "sites" / f"{self.client}.mode"
        return mode.exists() and mode.read_text().strip() == "staging"

    def say(self, status: int, text: str) -> None:
        """Answer with a status and a text, and with the tag in X-Release."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Release", self.tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """It takes a new connection while others wait, and ends what it has begun."""

    daemon_threads = False
    request_queue_size = 128

    def rest(self) -> None:
        """Serve those who have connected already, so that nobody is cut off."""
        self.socket.setblocking(False)
        while True:
            try:
                request, client = self.get_request()
            except OSError:
                return
            request.setblocking(True)
            self.process_request(request, client)


def main(words: list[str]) -> None:
    """Serve until SIGTERM, and those who have connected by then."""
    Handler.tag, Handler.client, Handler.root = words[2], words[3], Path(words[4])
    with Server((words[0], int(words[1])), Handler) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        with (Path("log") / "karl.log").open("a") as log:
            log.write(f"{Handler.client}: {Handler.tag} is up, pid {os.getpid()}\n")
        server.serve_forever(0.05)
        server.rest()


if __name__ == "__main__":
    main(sys.argv[1:])
