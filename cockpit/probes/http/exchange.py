"""One request and its answer on a connection that is there: HTTP/1.1 by h11, HTTP/2 by httpcore.

httpcore speaks HTTP/1.1 too, but its locks and its tracing cost as much again as the parsing itself."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from typing import Any, NamedTuple, cast

import h11
import httpcore

from cockpit.probes.http.pin import Broken, Pin

HEAD_LIMIT = 100 * 1024
"""Bytes of a status line with its headers."""
INTERIM = 100
"""Interim answers (1xx) before the answer; one or two are usual."""


class Request(NamedTuple):
    """What is asked. `target` is the path with its query; `host` the name with its port."""

    method: str
    scheme: bytes
    host: bytes
    name: bytes
    port: int
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Reply(NamedTuple):
    """The head of an answer, and its body as it comes; close `pieces` when it is left early."""

    status: int
    version: str
    headers: list[tuple[bytes, bytes]]
    pieces: AsyncGenerator[bytes, None]


async def ask(pin: Pin, request: Request) -> Reply:
    """Send a request and read the head of its answer. Raises Broken, h11.ProtocolError and httpcore's errors."""
    return await (_second(pin, request) if pin.http2 else _first(pin, request))


async def _first(pin: Pin, request: Request) -> Reply:
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
    headers = [(b"Host", request.host), *request.headers, (b"Connection", b"close")]
    if request.body or request.method not in {"GET", "HEAD"}:
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    sent = talk.send(h11.Request(method=request.method, target=request.target, headers=headers)) or b""
    sent += (talk.send(h11.Data(data=request.body)) or b"") + (talk.send(h11.EndOfMessage()) or b"")
    # A server may answer and close before it has read all.
    with suppress(Broken):
        await pin.write(sent)
    for _ in range(INTERIM):
        event = await _next(talk, pin)
        if isinstance(event, h11.Response):
            version = "HTTP/" + event.http_version.decode("ascii")
            return Reply(event.status_code, version, list(event.headers.raw_items()), _body(talk, pin))
    raise Broken(f"more than {INTERIM} interim answers")


async def _next(talk: h11.Connection, pin: Pin) -> Any:
    """The next thing that the server said."""
    while True:
        event = talk.next_event()
        if event is not h11.NEED_DATA:
            return event
        data = await pin.read()
        if not data and talk.their_state is h11.SEND_RESPONSE:
            raise Broken("it closed without an answer")
        talk.receive_data(data)


async def _body(talk: h11.Connection, pin: Pin) -> AsyncGenerator[bytes, None]:
    while isinstance(event := await _next(talk, pin), h11.Data):
        yield bytes(event.data)


async def _second(pin: Pin, request: Request) -> Reply:
    origin = httpcore.Origin(request.scheme, request.name, request.port)
    url = httpcore.URL(scheme=request.scheme, host=request.name, port=request.port, target=request.target)
    headers = [(b"Host", request.host), *request.headers]
    if request.body:
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    connection = httpcore.AsyncHTTP2Connection(origin, stream=_Stream(pin))
    response = await connection.handle_async_request(
        httpcore.Request(request.method, url, headers=headers, content=request.body)
    )
    pieces = cast("AsyncGenerator[bytes, None]", aiter(cast("AsyncIterable[bytes]", response.stream)))
    return Reply(response.status, "HTTP/2", list(response.headers), pieces)


class _Stream(httpcore.AsyncNetworkStream):
    """The connection as httpcore wants it."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._pin.read()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            await self._pin.write(buffer)

    async def aclose(self) -> None:
        self._pin.drop()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError("TLS is there before HTTP/2 is")

    def get_extra_info(self, info: str) -> Any:
        return None
