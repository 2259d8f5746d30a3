"""Name servers that break the rules, each in its own way, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

Datagram = Callable[[bytes], Iterable[bytes]]
Stream = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

A = b"\0\1\0\1"
TTL = b"\0\0\0\x3c"
NAME = b"\xc0\x0c"
"""A pointer to the question's name."""


def silent(_: bytes) -> list[bytes]:
    """Never answers."""
    return []


def question_of(query: bytes) -> bytes:
    """The question section, letters in the case that was asked."""
    end = 12
    while query[end]:
        end += query[end] + 1
    return query[12 : end + 5]


def message(
    query: bytes, records: bytes = b"", *, counts: tuple[int, int, int] = (0, 0, 0), flags: int = 0x8580
) -> bytes:
    """A message that answers the query, with whatever stands in `records`."""
    return query[:2] + struct.pack("!HHHHH", flags, 1, *counts) + question_of(query) + records


def record(data: bytes, kind: bytes = A, owner: bytes = NAME, size: int = -1) -> bytes:
    """A record; `size` is what it says of its length."""
    return owner + kind + TTL + struct.pack("!H", len(data) if size < 0 else size) + data


def good(query: bytes) -> bytes:
    """What an honest server says."""
    return message(query, record(b"\xc0\0\2\1"), counts=(1, 0, 0))


def framed(wire: bytes) -> bytes:
    """As a stream carries it."""
    return struct.pack("!H", len(wire)) + wire


async def query_of(reader: asyncio.StreamReader) -> bytes:
    """The next question on a stream."""
    (size,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(size)


class Rude:
    """A server at a loopback address of its own port, over UDP and TCP."""

    def __init__(
        self,
        datagram: Datagram = silent,
        stream: Stream | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._datagram = datagram
        self._stream = stream
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[bytes] = []
        self.port = 0

    @property
    def server(self) -> str:
        """As a plan names it."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for last in (False,) * 9 + (True,):
            self._listener = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
            self.port = self._listener.sockets[0].getsockname()[1]
            try:
                place = (self._host, self.port)
                self.transport, _ = await loop.create_datagram_endpoint(lambda: _Reply(self), local_addr=place)
                break
            except OSError:  # Somebody has the same port over UDP.
                self._listener.close()
                if last:
                    raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transport.close()
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if self._stream is not None:
                    await self._stream(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.can_write_eof() is False else writer.close()

    def received(self, data: bytes, peer: tuple[str, int]) -> None:
        """A question over UDP."""
        self.asked.append(data)
        for reply in self._datagram(data):
            self.transport.sendto(reply, peer)


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, rude: Rude) -> None:
        self._rude = rude

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._rude.received(data, addr)
