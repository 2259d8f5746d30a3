"""Mail servers that say what no good one would: each ends in a stated failure, in time, and in bounded memory."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cockpit.plan.watched import Probe
from cockpit.probes.mail import probe
from cockpit.probes.mail.message import hand_over
from cockpit.probes.mail.received import hops, proven, queued_as
from cockpit.probes.seen import Seen
from tests.probes.mailers import NAME, Talk, scripted, server_context, talking
from tests.real.world.web import Authority

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
TIMEOUT = 1.5


async def ask(port: int, ca: str = "", **fields: object) -> Seen:
    question = Probe(id="p", **{"proto": "smtp", "target": f"{NAME}:{port}", "ca": ca, **fields})  # type: ignore[arg-type]
    return await probe(question, NAME, "127.0.0.1", {}, TIMEOUT)


def endless(piece: bytes, pause: float = 0.0, first: bytes = b"") -> Talk:
    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


def once(data: bytes, *, stay: bool = True) -> Talk:
    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(data)
        if stay:
            await writer.drain()
            await asyncio.sleep(60)

    return talk


EHLO = (b"EHLO", b"250-mx\r\n250 STARTTLS\r\n")
HOSTILE: dict[str, tuple[Talk, str]] = {
    "a banner of a megabyte": (once(b"220 " + b"x" * (1 << 20) + b"\r\n"), "more than 4096 bytes"),
    "an endless line": (endless(b"x" * 65536), "more than 4096 bytes"),
    "endless lines of one reply": (endless(b"220-more\r\n" * 100), "more than 200 lines"),
    "a drip": (endless(b"2", 0.1, b""), "no end within"),
    "a drip of lines": (endless(b"220-a\r\n", 0.1), "no end within"),
    "silence": (once(b""), "no end within 1.5 s before its banner"),
    "a closed door": (once(b"", stay=False), "closed the connection"),
    "half a line": (once(b"220 mx.exam", stay=False), "closed the connection"),
    "a refusal": (once(b"554 5.7.1 no service here\r\n"), "its banner is 554 5.7.1 no service here"),
    "a web server": (once(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"), "no reply of SMTP"),
    "codes that change": (once(b"220-a\r\n250 b\r\n"), "began with 220 and went on with 250"),
    "bytes": (once(bytes(range(256)) * 64), "no reply of SMTP"),
    "endless extensions": (scripted(b"220 mx\r\n", (b"EHLO", b"250-X\r\n" * 5000)), "more than 200 lines"),
    "escape sequences": (once(b"220 \x1b]0;owned\x07\x1b[2J\r\n500 \x1b[2Jx\r\n"), "no end within"),
    "plain text behind the go-ahead": (
        scripted(b"220 mx\r\n", EHLO, (b"STARTTLS", b"220 go\r\n250 mx\r\n250 injected\r\n")),
        "plain text behind its go-ahead",
    ),
    "plain text in place of TLS": (scripted(b"220 mx\r\n", EHLO, (b"STARTTLS", b"220 go\r\n"), (b"", b"250 x\r\n")), "TLS"),
    "a close in place of TLS": (scripted(b"220 mx\r\n", EHLO, (b"STARTTLS", b"220 go\r\n"), (b"", b"")), "closed"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_smtp_server_that_breaks_every_rule_is_a_stated_failure(name: str) -> None:
    talk, said = HOSTILE[name]
    began = time.monotonic()
    async with talking(talk) as port:
        seen = await ask(port, tls="starttls")
    assert not seen.ok
    assert said in seen.detail, seen.detail
    assert time.monotonic() - began < TIMEOUT + 3
    assert "\x1b" not in seen.detail + seen.body + "".join(seen.facts.values())


@pytest.mark.parametrize(
    ("proto", "talk", "said"),
    [
        ("imap", endless(b"* OK " + b"x" * 9000), "more than 4096 bytes"),
        ("imap", scripted(b"* OK hi\r\n", (b"CAPABILITY", b"* 1 EXISTS\r\n" * 5000)), "more than 200 lines"),
        ("imap", once(b"* BYE overloaded\r\n"), "BYE overloaded"),
        ("imap", scripted(b"* OK hi\r\n", (b"CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK\r\n"), (b"STARTTLS", b"TAG OK go\r\n* OK in\r\n")), "plain text behind"),
        ("imap", scripted(b"* PREAUTH hi\r\n", (b"CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK\r\n")), "PREAUTH"),
        ("imap", scripted(b"* OK hi\r\n", (b"CAPABILITY", b"* CAPABILITY IMAP4rev1\r\nother OK\r\n")), "no response of IMAP"),
        ("pop", once(b"-ERR locked\r\n"), "its greeting is -ERR locked"),
        ("pop", scripted(b"+OK\r\n", (b"CAPA", b"+OK\r\n" + b"X\r\n" * 5000)), "more than 200 lines"),
        ("pop", scripted(b"+OK\r\n", (b"CAPA", b"+OK\r\nSTLS\r\n.\r\n"), (b"STLS", b"+OK go\r\n+OK in\r\n")), "plain text behind"),
        ("pop", endless(b"+", 0.05), "no end within"),
    ],
)  # fmt: skip
async def test_mailbox_servers_that_break_the_rules_are_stated_failures(proto: str, talk: Talk, said: str) -> None:
    async with talking(talk) as port:
        seen = await ask(port, proto=proto, tls="starttls")
    assert not seen.ok
    assert said in seen.detail, seen.detail


async def test_a_flood_inside_tls_stays_in_bounded_memory(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    context = server_context(tmp_path, ca, NAME)
    async with talking(endless(b"220-" + b"x" * 4000 + b"\r\n"), tls=context) as port:
        await ask(port, str(ca.pem), tls="implicit")
        tracemalloc.start()
        seen = await ask(port, str(ca.pem), tls="implicit")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert not seen.ok
    assert "more than 256 KiB" in seen.detail or "more than 200 lines" in seen.detail
    assert peak < 6 << 20  # The server's own buffers are in it too.


async def test_a_message_is_not_told_as_taken_when_the_answer_to_it_is_lost() -> None:
    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        for answer in (b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(answer)
        await reader.readuntil(b"\r\n.\r\n")

    async with talking(talk) as port:
        handed = await hand_over("127.0.0.1", port, "", "a@example.test", b"Subject: x\r\n\r\n.hidden\r\n", TIMEOUT)
    assert handed.state == "unsure"


async def test_dots_at_the_begin_of_a_line_are_doubled() -> None:
    heard: list[bytes] = []

    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(b"220 mx\r\n")
        for answer in (b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(answer)
        heard.append(await reader.readuntil(b"\r\n.\r\n"))
        writer.write(b"250 ok queued as 12\r\n")
        await reader.readline()

    async with talking(talk) as port:
        handed = await hand_over("127.0.0.1", port, "", "a@example.test", b"Subject: x\r\n\r\n.\r\n.a\r\n", TIMEOUT)
    assert (handed.state, handed.queue_id) == ("taken", "12")
    assert heard == [b"Subject: x\r\n\r\n..\r\n..a\r\n.\r\n"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from(["smtp", "imap", "pop"]))
async def test_no_bytes_of_a_server_end_in_an_exception(data: bytes, proto: str) -> None:
    async with talking(once(data, stay=False)) as port:
        seen = await ask(port, proto=proto)
    assert not seen.ok
    assert seen.detail


@given(st.text(max_size=400))
def test_no_header_ends_in_an_exception(text: str) -> None:
    proven(hops(f"Received: {text}"), "mx", queued_as(text))
    hops(text)
