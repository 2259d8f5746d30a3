"""Malicious name servers over TCP and TLS, and floods: each ends in a stated failure, within its time and with bounded memory."""

from __future__ import annotations

import asyncio
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from cockpit.probes.dns.ask import Asker
from tests.probes.rude import Rude, Stream, framed, good, message, query_of, record
from tests.probes.stated import elsewhere, put, stated

TXT = b"\0\x10\0\1"


async def _closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await query_of(reader)


async def _half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wire = framed(good(await query_of(reader)))
    writer.write(wire[: len(wire) // 2])
    await writer.drain()


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await query_of(reader)
    writer.transport.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _one_byte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await query_of(reader)
    writer.write(b"\0")
    await writer.drain()


async def _promises(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wire = good(await query_of(reader))
    writer.write(b"\xff\xff" + wire)
    await reader.read()


async def _too_little(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wire = good(await query_of(reader))
    writer.write(struct.pack("!H", len(wire) - 5) + wire)
    await reader.read()


async def _tiny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await query_of(reader)
    writer.write(b"\0\0")
    await reader.read()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in framed(good(await query_of(reader))):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def _other_id(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wire = good(await query_of(reader))
    writer.write(framed(bytes([wire[0] ^ 1]) + wire[1:]))
    await reader.read()


async def _other_name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(framed(elsewhere(await query_of(reader))))
    await reader.read()


async def _cut_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(framed(message(await query_of(reader), flags=0x8780)))
    await reader.read()


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    query = await query_of(reader)
    writer.write(framed(query[:2] + random.Random(3).randbytes(2000)))
    await reader.read()


async def _deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await query_of(reader)
    while True:
        writer.write(b"\xff\xff" + random.randbytes(65535))
        await writer.drain()


async def _thousands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    query = await query_of(reader)
    many = b"".join(record(struct.pack("!I", number)) for number in range(4000))
    writer.write(framed(message(query, many, counts=(4000, 0, 0))))
    await reader.read()


async def _long_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    query = await query_of(reader)
    text = (b"\xff" + b"\1" * 255) * 250
    writer.write(framed(message(query, record(text, TXT), counts=(1, 0, 0))))
    await reader.read()


async def _staircase(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """64 KB in which thousands of names each lead down eight thousand pointers."""
    query = await query_of(reader)
    wire = bytearray(message(query, counts=(4000, 0, 0)))
    step = len(wire) + 12
    pointers = b"\0" + b"".join(
        struct.pack("!H", 0xC000 | (step if not n else step + 2 * n - 1)) for n in range(8000 - step // 2)
    )
    wire += record(pointers, b"\0\x0a\0\1")
    top = struct.pack("!H", 0xC000 | step + len(pointers) - 2)
    while len(wire) < 65000:
        wire += record(b"\1\2\3\4", owner=top)
    writer.write(framed(bytes(wire)))
    await reader.read()


STREAMS: dict[str, tuple[Stream, tuple[str, ...]]] = {
    "closed without an answer": (_closed, ("closed the connection without an answer",)),
    "closed half-way": (_half, ("closed the connection after",)),
    "reset": (_reset, ("the connection broke",)),
    "closed inside the length": (_one_byte, ("closed the connection",)),
    "a length that promises more than comes": (_promises, ("no answer in time",)),
    "a length that promises less than comes": (_too_little, ("cannot be used",)),
    "a length of nothing": (_tiny, ("0 bytes",)),
    "a slow drip": (_drip, ("no answer in time",)),
    "another id": (_other_id, ("another question",)),
    "another name": (_other_name, ("another question",)),
    "cut although over TCP": (_cut_again, ("cut even over TCP",)),
    "garbage": (_garbage, ("another question",)),
    "nothing at all": (_deaf, ("no answer in time",)),
    "four thousand records": (_thousands, ("4000 A records", "more than 512")),
    "a staircase of pointers": (_staircase, ("too many steps",)),
}


@pytest.mark.parametrize("case", STREAMS)
async def test_a_stream_that_breaks_the_rules_is_a_stated_failure(asker: Asker, case: str) -> None:
    stream, words = STREAMS[case]
    async with Rude(lambda query: [message(query, flags=0x8780)], stream) as rude:
        stated(await put(asker, f"tcp://{rude.server}"), *words)
        told = [word for word in words if "in time" not in word and "cut even" not in word]
        stated(await put(asker, rude.server), "the answer was cut, and", "over TCP", *told)


async def test_text_of_64_kb_is_a_stated_failure(asker: Asker) -> None:
    async with Rude(stream=_long_text) as rude:
        stated(await put(asker, f"tcp://{rude.server}", "TXT"), "64000 bytes, and more than 16384")


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
async def test_a_flood_costs_bounded_memory(asker: Asker, scheme: str) -> None:
    def flood(query: bytes) -> list[bytes]:
        return [query[:2] + random.randbytes(20000) for _ in range(500)]

    async with Rude(flood, _chatter) as rude:
        tracemalloc.start()
        try:
            answer = await put(asker, f"tcp://{rude.server}" if scheme == "tcp" else rude.server)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        stated(answer)
        assert most < 40e6  # The flood itself, which this process sends, is 10 MB of it.


async def test_a_question_that_is_cancelled_leaves_nothing_behind(asker: Asker) -> None:
    async with Rude(stream=_deaf) as rude:
        for server in (rude.server, f"tcp://{rude.server}"):
            task = asyncio.create_task(put(asker, server))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asker.outstanding == 0


async def test_tls_with_what_speaks_none_is_a_stated_failure(asker: Asker) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with Rude(stream=plain) as rude:
        stated(await put(asker, f"tls://{rude.server}#dns.example.test", timeout=10), "no TLS at 127.0.0.1 port")
        stated(await put(asker, f"https://dns.example.test:{rude.port}/dns-query@127.0.0.1", timeout=10))
    async with Rude(stream=_deaf) as rude:
        stated(await put(asker, f"tls://{rude.server}#dns.example.test"), "no answer in time")
        stated(await put(asker, f"https://dns.example.test:{rude.port}/dns-query@127.0.0.1"), "no answer in time")


async def test_authorities_that_cannot_be_read_are_a_stated_failure(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for ca in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        async with Rude(stream=_deaf) as rude, Asker(ca=str(ca)) as asker:
            stated(await put(asker, f"tls://{rude.server}#dns.example.test"), str(ca), "cannot be read")
