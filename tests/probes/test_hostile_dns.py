"""Broken and malicious name servers: each ends in a stated failure of that question, within its time and with bounded memory."""

from __future__ import annotations

import asyncio
import random
import struct
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from cockpit.probes.dns.ask import Answer, Asker
from tests.probes.rude import Rude, Stream, framed, good, message, query_of, question_of, record

NAME = "www.example.test"
TIME = 0.5
CNAME = b"\0\5\0\1"
TXT = b"\0\x10\0\1"


@pytest_asyncio.fixture
async def asker() -> AsyncIterator[Asker]:
    async with Asker() as running:
        yield running
        assert not running.outstanding


async def put(asker: Asker, server: str, type: str = "A", timeout: float = TIME, **more: bool) -> Answer:
    """One question that must be over soon after its time, whatever the server does."""
    began = time.monotonic()
    answer = await asker.ask(server, NAME, type, recurse=True, timeout=timeout, **more)
    assert time.monotonic() - began < timeout + 5
    return answer


def stated(answer: Answer, *words: str) -> None:
    """It failed, it claims nothing, and it says why."""
    assert (answer.rcode, answer.values) == ("", ())
    for word in words:
        assert word in answer.trouble, answer.trouble
    assert len(answer.trouble) < 400
    assert answer.trouble.isprintable()


def _renamed(query: bytes) -> bytes:
    """The question, about a name that it is not."""
    asked = question_of(query)
    return asked[:1] + bytes([asked[1] ^ 1]) + asked[2:]


WRONG: dict[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]] = {
    "cut inside a record": (lambda q: good(q)[:-3], ("cannot be used", "longer than the message")),
    "cut inside a record's head": (lambda q: good(q)[:-8], ("it ends inside a record",)),
    "fewer records than it counts": (lambda q: message(q, counts=(3, 0, 0)), ("it ends inside a name",)),
    "65535 records that are not there": (lambda q: message(q, counts=(65535,) * 3), ("it ends inside a name",)),
    "more bytes than records": (lambda q: good(q) + b"junk", ("4 bytes follow its last record",)),
    "a record that lies of its length": (
        lambda q: message(q, record(b"\1\2", size=600), counts=(1, 0, 0)),
        ("longer",),
    ),
    "an address of three bytes": (
        lambda q: message(q, record(b"\1\2\3"), counts=(1, 0, 0)),
        ("A record cannot be read",),
    ),
    "a name that points at itself": (
        lambda q: message(
            q, record(b"\1\2\3\4", owner=struct.pack("!H", 0xC000 | 12 + len(question_of(q)))), counts=(1, 0, 0)
        ),
        ("points forward, or at itself",),
    ),
    "a name that points forward": (
        lambda q: message(q, record(b"\1\2\3\4", owner=b"\xff\xff"), counts=(1, 0, 0)),
        ("points forward",),
    ),
    "two names that point at each other": (
        lambda q: message(
            q, record(struct.pack("!H", 0xC000 | 12 + len(question_of(q)) + 12), CNAME), counts=(1, 0, 0)
        ),
        ("points forward, or at itself",),
    ),
    "a label of no known kind": (
        lambda q: message(q, record(b"\1\2\3\4", owner=b"\x80\0"), counts=(1, 0, 0)),
        ("a kind that does not exist",),
    ),
    "a name of 300 bytes": (
        lambda q: message(q, record(b"\1\2\3\4", owner=(b"\x3b" + b"x" * 59) * 5 + b"\0"), counts=(1, 0, 0)),
        ("longer than 255 bytes",),
    ),
    "a CNAME to itself": (
        lambda q: message(q, record(b"\xc0\x0c", CNAME), counts=(1, 0, 0)),
        ("its CNAME chain comes back to www.example.test",),
    ),
    "two CNAMEs in a circle": (
        lambda q: message(q, record(b"\1b\0", CNAME) + record(b"\xc0\x0c", CNAME, owner=b"\1b\0"), counts=(2, 0, 0)),
        ("its CNAME chain comes back",),
    ),
    "a chain of 40 CNAMEs": (
        lambda q: message(
            q,
            record(b"\2n0\0", CNAME) + b"".join(record(_label(n + 1), CNAME, owner=_label(n)) for n in range(40)),
            counts=(41, 0, 0),
        ),
        ("more than 16 links",),
    ),
    "an EDNS option that lies of its length": (
        lambda q: message(q, b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\x0f\0\xff", counts=(0, 0, 1)),
        ("an EDNS option is longer",),
    ),
    "an SOA of one byte": (
        lambda q: message(q, record(b"\0", b"\0\6\0\1"), counts=(1, 0, 0)),
        ("it ends", "cannot be used"),
    ),
}


def _label(number: int) -> bytes:
    text = f"n{number}".encode()
    return bytes([len(text)]) + text + b"\0"


@pytest.mark.parametrize("case", WRONG)
async def test_a_message_that_does_not_add_up_is_a_stated_failure(asker: Asker, case: str) -> None:
    reply, words = WRONG[case]

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(framed(reply(await query_of(reader))))
        await reader.read()

    async with Rude(lambda query: [reply(query)], stream) as rude:
        stated(await put(asker, rude.server), *words)
        stated(await put(asker, f"tcp://{rude.server}"), *words)


UNFIT: dict[str, Callable[[bytes], bytes]] = {
    "another id": lambda q: bytes([q[0] ^ 1, q[1]]) + good(q)[2:],
    "another name": lambda q: good(q)[:12] + _renamed(q) + good(q)[12 + len(question_of(q)) :],
    "another type": lambda q: message(
        q[: 12 + len(question_of(q)) - 4] + b"\0\x1c\0\1", record(b"\xc0\0\2\x66"), counts=(1, 0, 0)
    ),
    "a question": lambda q: q,
    "another kind of message": lambda q: good(q)[:2] + b"\xa8\0" + good(q)[4:],
    "two questions": lambda q: good(q)[:5] + b"\2" + good(q)[6:],
    "nothing but an id": lambda q: q[:2],
    "garbage with its id": lambda q: q[:2] + random.Random(7).randbytes(500),
}


@pytest.mark.parametrize("case", UNFIT)
async def test_what_answers_another_question_is_ignored_and_told(asker: Asker, case: str) -> None:
    async with Rude(lambda query: [UNFIT[case](query)]) as rude:
        stated(await put(asker, rude.server), "no answer in time", "did not match the question")
        assert asker.ignored >= 2


@pytest.mark.parametrize("case", UNFIT)
async def test_the_honest_answer_is_taken_after_spoofed_ones(asker: Asker, case: str) -> None:
    async with Rude(lambda query: [UNFIT[case](query)] * 20 + [good(query)]) as rude:
        assert (await put(asker, rude.server)).values == ("192.0.2.1",)
        assert asker.ignored == 20


async def test_an_answer_from_another_address_or_port_is_not_believed_and_told(asker: Asker) -> None:
    loop = asyncio.get_running_loop()
    stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.2", 0))
    peers: list[tuple[str, int]] = []

    class Elsewhere(Rude):
        def received(self, data: bytes, peer: tuple[str, int]) -> None:
            peers.append(peer)
            stranger.sendto(good(data), peer)

    async with Elsewhere() as rude:
        port = stranger.get_extra_info("sockname")[1]
        said = f"no answer in time; one came from 127.0.0.2 port {port}, which was not asked"
        stated(await put(asker, rude.server), said)
    stranger.close()
    assert len(peers) == 2
    assert asker.ignored == 2


async def test_a_spoofer_who_guesses_id_and_name_but_not_the_case_of_the_letters_is_not_believed(asker: Asker) -> None:
    """He makes us ask again without the random case, and his answer to the first question is gone by then."""

    def reply(query: bytes) -> list[bytes]:
        if question_of(query) == question_of(query).lower():
            return [good(query)]
        lower = query[:12] + question_of(query).lower()
        return [message(lower, record(b"\xc0\0\2\x66"), counts=(1, 0, 0))]

    async with Rude(reply) as rude:
        assert (await put(asker, rude.server)).values == ("192.0.2.1",)
        assert (await put(asker, rude.server)).values == ("192.0.2.1",)
        assert len(rude.asked) == 3


@pytest.mark.parametrize("fold", [bytes.lower, bytes.upper])
async def test_a_server_that_folds_the_case_of_names_is_asked_in_plain_letters(
    asker: Asker, fold: Callable[[bytes], bytes]
) -> None:
    def reply(query: bytes) -> list[bytes]:
        asked = question_of(query)
        return [message(query[:12] + fold(asked[:-4]) + asked[-4:], record(b"\xc0\0\2\1"), counts=(1, 0, 0))]

    async with Rude(reply) as rude:
        for _ in range(3):
            assert (await put(asker, rude.server)).values == ("192.0.2.1",)
        assert len(rude.asked) == 4


async def test_ids_and_letters_are_random(asker: Asker) -> None:
    async with Rude(lambda query: [good(query)]) as rude:
        for _ in range(60):
            await put(asker, rude.server)
        assert len({query[:2] for query in rude.asked}) > 50
        assert len({question_of(query) for query in rude.asked}) > 50
        assert {question_of(query).lower() for query in rude.asked} == {b"\3www\7example\4test\0\0\1\0\1"}


async def test_a_server_that_never_answers_is_asked_twice_and_then_is_a_time_out(asker: Asker) -> None:
    async with Rude() as rude:
        answer = await put(asker, rude.server)
        stated(answer, "no answer in time")
        assert answer.ms >= TIME * 1000 - 1
        assert len(rude.asked) == 2
        assert rude.asked[0] == rude.asked[1]


async def test_a_port_where_nobody_listens_is_said_so(asker: Asker) -> None:
    async with Rude() as rude:
        server = rude.server
    stated(await put(asker, server), "Connection refused")
    stated(await put(asker, f"tcp://{server}"), "no connection to 127.0.0.1 port")


async def test_one_bad_server_does_not_disturb_the_questions_to_others(asker: Asker) -> None:
    async with (
        Rude(lambda query: [UNFIT["garbage with its id"](query)] * 50) as bad,
        Rude() as dead,
        Rude(lambda query: [good(query)]) as honest,
    ):
        async with Rude() as gone:
            refused = gone.server
        answers = await asyncio.gather(
            *(put(asker, server) for server in (bad.server, dead.server, refused, honest.server) for _ in range(20))
        )
        assert [answer.values for answer in answers[60:]] == [("192.0.2.1",)] * 20
        for answer in answers[:60]:
            stated(answer, "no answer")


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
    writer.write(framed(UNFIT["another name"](await query_of(reader))))
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


async def test_many_different_answers_are_not_kept_for_ever(asker: Asker) -> None:
    number = 0

    def reply(query: bytes) -> list[bytes]:
        nonlocal number
        number += 1
        return [message(query, record(struct.pack("!I", number)), counts=(1, 0, 0))]

    async with Rude(reply) as rude:
        seen = {(await put(asker, rude.server)).values for _ in range(1500)}
    assert len(seen) == 1500
    assert asker.kept <= 512


async def test_more_questions_than_may_be_under_way_wait_for_their_turn_or_fail_in_time(asker: Asker) -> None:
    async with Rude() as dead, Rude(lambda query: [good(query)]) as honest:
        lost = [asyncio.create_task(put(asker, dead.server)) for _ in range(3000)]
        await asyncio.sleep(0.1)
        assert asker.outstanding <= 2048
        for answer in await asyncio.gather(*lost):
            stated(answer)
        assert (await put(asker, honest.server)).values == ("192.0.2.1",)


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
