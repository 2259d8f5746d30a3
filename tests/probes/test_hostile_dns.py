"""Broken and malicious name servers: each ends in a stated failure of that question, within its time."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable

import pytest

from cockpit.probes.dns.ask import Asker
from tests.probes.rude import Rude, framed, good, message, query_of, question_of, record
from tests.probes.stated import TIME, elsewhere, put, stated

CNAME = b"\0\5\0\1"
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
    "another name": elsewhere,
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
