"""Every refusal of an update ends in words, whatever the server is."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import pytest

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.lab import wire
from cockpit.plan.model import Step
from cockpit.plan.zones import ALGORITHMS, Dns, DnsChange, RecordSet, Tsig
from cockpit.probes.dns.refusals import WORDS, refusal
from cockpit.probes.dns.send import send
from cockpit.probes.dns.update import DnsHands
from tests.real.named import free_port

RECORD = RecordSet(name="www.x.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",))


async def apply(server: str, tsig: Tsig | None = None, timeout: float = 4.0) -> Outcome:
    zone = Dns(zone="x.test", primary=server, tsig=tsig)
    step = Step(
        ref="s/a", id="a", service="s", phase="switch", kind="dns", action=DnsChange(record=RECORD), timeout=timeout
    )
    async with asyncio.timeout(timeout + 8):
        return await DnsHands(zone, SystemClock()).act(
            Call(step=step, op="apply", attempt=1, job="j"), lambda event: None
        )


def holds_old(query: dns.message.Message) -> dns.message.Message:
    """A zone that holds the old values and stands still."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    text = {"A": "192.0.2.1", "SOA": "ns. host. 7 1 1 1 1"}.get(
        dns.rdatatype.to_text(query.question[0].rdtype), "192.0.2.1"
    )
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", query.question[0].rdtype, text))
    return response


@asynccontextmanager
async def answering(code: str) -> AsyncIterator[str]:
    """A server that answers updates with a code, and questions as a zone that stands still."""

    async def reply(message: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        if message.opcode() != dns.opcode.UPDATE:
            return holds_old(message)
        response = dns.message.make_response(message)
        response.set_rcode(dns.rcode.from_text(code))
        return response

    server = wire.DnsServer("stub", "127.0.0.1", free_port(), reply)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "code", ["FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"]
)  # fmt: skip
async def test_each_code_of_a_refusal_has_its_words(code: str) -> None:
    async with answering(code) as server:
        outcome = await apply(server)
    assert outcome.verdict == "failed"
    assert outcome.detail.startswith(f"{code}: {WORDS[code]}")


async def test_a_code_that_nobody_knows_is_a_refusal_all_the_same() -> None:
    async with answering("DSOTYPENI") as server:
        outcome = await apply(server)
    assert (outcome.verdict, outcome.detail) == ("failed", "DSOTYPENI: the server refused the update")


@pytest.mark.parametrize("code", ["BADSIG", "BADKEY", "BADTRUNC"])
async def test_each_error_of_a_signature_has_its_words(code: str, tmp_path: Path) -> None:
    errors = {"BADSIG": dns.rcode.BADSIG, "BADKEY": dns.rcode.BADKEY, "BADTRUNC": dns.rcode.BADTRUNC}
    async with raw(lambda data: wire._denied(data, errors[code])) as server:
        outcome = await apply(server, key(tmp_path))
    assert outcome.verdict == "failed"
    assert outcome.detail.startswith(f"{code}: {WORDS[code]}")


def key(folder: Path) -> Tsig:
    file = folder / "key"
    file.write_text("hmac-sha256:" + "c2VjcmV0" * 8)
    return Tsig(name="cutover", file=str(file))


def test_the_clock_s_difference_is_said_in_its_direction() -> None:
    assert refusal("BADTIME", 400.4).endswith("its clock is 400 s ahead of ours; set the one that is wrong")
    assert "its clock is 1000 s behind ours" in refusal("BADTIME", -1000.0)
    assert refusal("BADTIME") == f"BADTIME: {WORDS['BADTIME']}"


@asynccontextmanager
async def raw(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[str]:
    """A server that answers TCP messages with whatever bytes; questions over UDP as a zone that stands still."""

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            said = answer(await reader.readexactly(size))
            if said is not None:
                writer.write(struct.pack("!H", len(said)) + said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    class Questions(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(holds_old(dns.message.from_wire(data)).to_wire(), addr)  # type: ignore[attr-defined]

    port = free_port()
    server = await asyncio.start_server(stream, "127.0.0.1", port)
    questions, _ = await asyncio.get_running_loop().create_datagram_endpoint(Questions, local_addr=("127.0.0.1", port))
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.close()
        questions.close()


def other_id(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:2] + bytes([0xA8, 0]) + bytes(8)


@pytest.mark.parametrize(
    "answer",
    [
        lambda data: b"",
        lambda data: b"\0" * 5,
        lambda data: data,
        other_id,
        lambda data: data[:2] + b"\xa8\x00" + b"\xff" * 60,
        lambda data: data[:2] + b"\xa8\x00\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",
        lambda data: data[:2] + b"\xa8\x00" + bytes(8) + b"x" * 65000,
        lambda data: None,
    ],
    ids=["nothing", "short", "echo", "another id", "noise", "name in a circle", "64 KB", "closed"],
)
async def test_a_broken_answer_is_a_lost_one(answer: Callable[[bytes], bytes | None], tmp_path: Path) -> None:
    """The zone stands still, so what was asked did not happen: it is asked again until the time is over, and that is said."""
    async with raw(answer) as server:
        outcome = await apply(server, key(tmp_path), timeout=0.6)
    assert outcome.verdict in {"unknown", "failed"}, outcome
    assert "lost" in outcome.detail or "not signed" in outcome.detail


async def test_an_unsigned_yes_is_not_believed(tmp_path: Path) -> None:
    async with raw(lambda data: data[:2] + b"\xa8\x00" + bytes(8)) as server:
        outcome = await apply(server, key(tmp_path), timeout=1)
    assert outcome.verdict == "failed"
    assert "its answer is not signed" in outcome.detail


async def test_an_algorithm_that_is_none_is_a_sentence_and_nothing_is_sent(tmp_path: Path) -> None:
    for text, algorithm in (("c2VjcmV0", "hmac-sha265"), ("hmac-sha265:c2VjcmV0", "hmac-sha256")):
        (tmp_path / "odd.key").write_text(text)
        outcome = await apply("127.0.0.1:1", Tsig(name="cutover", file=str(tmp_path / "odd.key"), algorithm=algorithm))
        assert outcome.verdict == "failed"
        assert "the update cannot be made: hmac-sha265 is no algorithm of a TSIG key" in outcome.detail


async def test_an_update_that_cannot_be_written_as_bytes_is_told_and_not_sent() -> None:
    update = dns.update.UpdateMessage("x.test")
    for number in range(400):
        update.add("www", 60, "TXT", f"{number:0255}")
    reply = await send(update, "127.0.0.1:1", 1)
    assert (reply.code, reply.sent) == ("", False)
    assert reply.why.startswith("the update cannot be written: ")


def test_the_algorithms_that_a_plan_may_name_are_those_that_the_library_knows() -> None:
    known = {name.to_text(omit_final_dot=True).lower() for name in dns.tsig.mac_sizes if name != dns.tsig.GSS_TSIG}
    assert set(ALGORITHMS) == known
