"""A way to a name server on which updates, or their answers, get lost; everything else passes."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Literal

from tests.real.named import free_port

Fate = Literal["pass", "lose-answer", "hang-answer", "lose-request", "twice"]
"""`hang-answer` keeps the connection open in silence; `twice` hands the update to the server two times."""

_UPDATE = 5


class Lossy:
    """Listens over UDP, and over TCP where `tcp`. `fate` decides over each update."""

    def __init__(self, port: int, fate: Callable[[], Fate], *, tcp: bool = True) -> None:
        self._upstream = ("127.0.0.1", port)
        self._fate = fate
        self._with_tcp = tcp
        self.port = free_port()
        self.server = f"127.0.0.1:{self.port}"
        self.lost = 0
        """Answers and requests that were lost."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Lossy:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Front(self), local_addr=("127.0.0.1", self.port))
        self._tcp = await asyncio.start_server(self._stream, "127.0.0.1", self.port) if self._with_tcp else None
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def datagram(self, data: bytes, peer: tuple[str, int]) -> None:
        task = asyncio.create_task(self._one(data, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, data: bytes, peer: tuple[str, int]) -> None:
        fate = self._fate_of(data)
        if fate == "lose-request":
            return
        answer = await self._ask_udp(data)
        if fate == "twice":
            await self._ask_udp(data)
        if fate in {"pass", "twice"} and answer:
            self._udp.sendto(answer, peer)

    async def _ask_udp(self, data: bytes) -> bytes:
        back = _Back()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: back, remote_addr=self._upstream
        )
        try:
            transport.sendto(data)
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(5):
                    return await back.answer
            return b""
        finally:
            transport.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._exchange(reader, writer)
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await _frame(reader)
        fate = self._fate_of(data)
        if fate == "lose-request":
            return
        inner, out = await asyncio.open_connection(*self._upstream)
        try:
            for _ in range(2 if fate == "twice" else 1):
                out.write(struct.pack("!H", len(data)) + data)
                answer = await _frame(inner)
            if fate == "hang-answer":
                await asyncio.sleep(60)
            if fate in {"pass", "twice"}:
                writer.write(struct.pack("!H", len(answer)) + answer)
                more = asyncio.create_task(_pump(inner, writer))
                await reader.read()
                more.cancel()
        finally:
            out.close()

    def _fate_of(self, data: bytes) -> Fate:
        if len(data) < 3 or (data[2] >> 3) & 15 != _UPDATE:
            return "pass"
        fate = self._fate()
        self.lost += fate not in {"pass", "twice"}
        return fate


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(size)


class _Front(asyncio.DatagramProtocol):
    def __init__(self, way: Lossy) -> None:
        self._way = way

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._way.datagram(data, addr)


class _Back(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)
