"""A web server that answers with what it was asked, over HTTP and HTTPS: the far end of a bridge. It runs on a host of a rig."""

from __future__ import annotations

from tests.real.rig import RealHost
from tests.real.sites import furnish
from tests.real.world import listening, until, write

_SERVER = r"""
import ssl, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        said = {
            "uri": self.path, "host": self.headers.get("Host"), "forwarded": self.headers.get("X-Forwarded-For"),
            "proto": self.headers.get("X-Forwarded-Proto"), "body": self.rfile.read(length).decode(),
        }
        text = "answered by new\n" + "".join(f"{key}={value}\n" for key, value in said.items())
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET
    log_message = lambda *_: None

plain, secure = (ThreadingHTTPServer(("0.0.0.0", port), Echo) for port in (80, 443))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/ssl/rig/shop.pem", "/etc/ssl/rig/shop.key")
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
secure.serve_forever()
"""


def echoing(host: RealHost) -> None:
    """Start it, with a certificate of its own for the shop's name."""
    furnish(host)
    write(host, "/srv/echo.py", _SERVER)
    host.spawn("/usr/bin/python3", "/srv/echo.py")
    until(
        lambda: listening(host, 80) and listening(host, 443), lambda: f"echo on {host.name}: {host.said()[-800:]}", 30
    )
