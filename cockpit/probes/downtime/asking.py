"""One sample: an HTTP request on a connection of its own, pinned to an address, as cheap as it can be.

It speaks HTTP/1.1 (RFC 9112) by h11, keeps the URL's name in Host, SNI and the certificate's check, and follows redirects to
the same name only. What a server does never raises."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import h11

from cockpit.plan.watched import Downtime, Expect
from cockpit.probes.downtime.wire import now

AGENT = "cockpit-probe"
"""The User-Agent of all our requests: logs tell them from those of clients by it."""

BODY_LIMIT = 1 << 20
REDIRECTS = 5
AGAIN = 5.0
"""Seconds after which authorities that could not be read are tried again."""
PIECE = 65536


def tls(ca: str) -> ssl.SSLContext:
    """The context of a meter: reading the authorities takes 40 ms, so it is made once. Raises OSError."""
    return ssl.create_default_context(cafile=ca or None)


class Trust:
    """The TLS context of one meter, made off the loop when the first connection needs it, and once."""

    def __init__(self, ca: str, told: Callable[[str], None]) -> None:
        self._ca, self._told = ca, told
        self._making: asyncio.Task[ssl.SSLContext] | None = None
        self._failed_at = 0.0

    async def context(self) -> ssl.SSLContext:
        """Raises OSError while the authorities cannot be read; that is told once."""
        if self._making is None or (_failed(self._making) and now() - self._failed_at > AGAIN):
            self._making = asyncio.create_task(asyncio.to_thread(tls, self._ca))
        # A request that runs out of time takes the context of the others not with it.
        try:
            return await asyncio.shield(self._making)
        except OSError as error:
            if not self._failed_at:
                self._told(f"{self._ca} cannot be read, so no certificate holds: {error.strerror or error}")
            self._failed_at = self._failed_at if now() - self._failed_at < AGAIN else now()
            raise


def _failed(task: asyncio.Task[ssl.SSLContext]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def is_good(spec: Downtime, address: str, trust: Trust) -> bool:
    """Whether the answer is as expected. Waits for it without end: the caller has the time-out."""
    url = spec.url
    try:
        for _ in range(REDIRECTS + 1):
            status, headers, body = await _exchange(spec, url, address, trust)
            where = dict(headers).get("location", "")
            if not (300 <= status < 400 and where and not 300 <= spec.expect.status < 400):
                return meets(spec.expect, status, headers, body)
            url = urljoin(url, where)
            if urlsplit(url).hostname != urlsplit(spec.url).hostname or urlsplit(url).scheme not in {"http", "https"}:
                return False
    except (OSError, EOFError, ValueError, LookupError, h11.ProtocolError):
        return False
    return False


def meets(expect: Expect, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> bool:
    """Whether this is what was expected."""
    if expect.status and status != expect.status:
        return False
    if expect.body and expect.body.encode() not in body:
        return False
    return all(
        any(key == name.lower() and value in text for key, text in headers) for name, value in expect.header.items()
    )


async def _exchange(
    spec: Downtime, url: str, address: str, trust: Trust
) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    name = parts.hostname or ""
    reader, writer = await asyncio.open_connection(
        address,
        parts.port or (443 if secure else 80),
        limit=PIECE,
        ssl=await trust.context() if secure else None,
        server_hostname=name if secure else None,
    )
    try:
        return await _talk(spec, parts.netloc.rpartition("@")[2], _path(url), reader, writer)
    finally:
        # No good-bye: one that waits for the server's would hold the connection when that is silent.
        with contextlib.suppress(OSError, RuntimeError):
            writer.transport.abort()


async def _talk(
    spec: Downtime, host: str, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    wire = h11.Connection(h11.CLIENT)
    data = spec.body.encode()
    headers = [("Host", host), ("User-Agent", AGENT), ("Accept", "*/*"), ("Connection", "close")]
    if data or spec.method not in {"GET", "HEAD"}:
        headers.append(("Content-Length", str(len(data))))
    request = wire.send(h11.Request(method=spec.method, target=path, headers=headers)) or b""
    request += (wire.send(h11.Data(data=data)) or b"") if data else b""
    writer.write(request + (wire.send(h11.EndOfMessage()) or b""))
    status, seen, body = 0, tuple[tuple[str, str], ...](), bytearray()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(PIECE))
        elif isinstance(event, h11.Response):
            status = event.status_code
            seen = tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in event.headers)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_LIMIT:
                return status, seen, bytes(body)
        elif isinstance(event, h11.EndOfMessage):
            return status, seen, bytes(body)
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError


def _path(url: str) -> str:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return "".join(c if " " < c < "\x7f" else "".join(f"%{byte:02X}" for byte in c.encode()) for c in path)
