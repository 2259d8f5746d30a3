"""Web servers of the tests, over HTTP/1.1 and HTTP/2, that remember each connection and each request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import h2.config
import h2.connection
import h2.events
import msgspec


class Asked(msgspec.Struct):
    """One request as the server got it."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    version: str
    sni: str = ""


class Answer(msgspec.Struct):
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"


Answering = Callable[[Asked], Answer]


class Web:
    """What a server was asked. `connections` counts those that were opened."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[Asked] = []
        self.names: list[str] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        tls = writer.get_extra_info("ssl_object")
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if tls is not None and tls.selected_alpn_protocol() == "h2":
                await self._second(number, reader, writer)
            else:
                await self._first(number, reader, writer)
        writer.close()

    async def _first(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            answer = self._answer(Asked(number, method, path, headers, body, "HTTP/1.1"))
            lines = [f"HTTP/1.1 {answer.status} So", f"Content-Length: {len(answer.body)}"]
            lines += [f"{name}: {value}" for name, value in answer.headers]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body)
            await writer.drain()

    async def _second(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        talk.initiate_connection()
        open_streams: dict[int, Asked] = {}
        while True:
            writer.write(talk.data_to_send())
            data = await reader.read(65536)
            if not data:
                return
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    given = {_text(name): _text(value) for name, value in event.headers or []}
                    headers = {n: v for n, v in given.items() if not n.startswith(":")} | {"host": given[":authority"]}
                    asked = Asked(number, given[":method"], given[":path"], headers, b"", "HTTP/2")
                    open_streams[event.stream_id or 0] = asked
                elif isinstance(event, h2.events.DataReceived):
                    open_streams[event.stream_id or 0].body += event.data or b""
                    talk.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
                elif isinstance(event, h2.events.StreamEnded):
                    answer = self._answer(open_streams.pop(event.stream_id or 0))
                    stream = event.stream_id or 0
                    plain = [(name.lower(), value) for name, value in answer.headers]
                    talk.send_headers(stream, [(":status", str(answer.status)), *plain])
                    talk.send_data(stream, answer.body, end_stream=True)

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.answering(asked)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@asynccontextmanager
async def serving(
    answering: Answering | Answer | None = None,
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Web]:
    """A server on a free port of `address`, or on `port`."""
    fixed = answering if isinstance(answering, Answer) else Answer()
    web = Web(answering if callable(answering) else lambda _: fixed)
    if tls is not None:
        before = tls.sni_callback

        def named(talk: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
            web.names.append(name or "")
            return before(talk, name, context) if before is not None else None  # type: ignore[arg-type]

        tls.sni_callback = named  # type: ignore[assignment]
    server = await asyncio.start_server(web.serve, address, port, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
