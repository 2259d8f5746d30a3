"""Servers that mean no good: each answer ends in a stated failure, or is judged by a bounded part of it, within its time-out and
with bounded memory, while everything else on the loop goes on."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.plan.watched import Expect
from cockpit.probes.http import BODY_LIMIT, HttpProber, Seen
from cockpit.probes.http.content import PIECES, Body
from tests.probes.authority import Authority
from tests.probes.turning import turning

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TIMEOUT = 2.0
MEMORY = 12 << 20
"""Bytes at the most while one answer is read: its body twice (bytes and text), what unpacks, and the buffers of both ends."""


@asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None, ask_first: bool = True) -> AsyncIterator[int]:
    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if ask_first:
                await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
            await writer.drain()
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talked, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(data: bytes) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return talk


def for_ever(head: bytes, again: bytes, pause: float = 0.0) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


async def asked(
    talk: Talk, expect: Expect | None = None, timeout: float = TIMEOUT, path: str = "/"
) -> tuple[Seen, int, int]:
    """What a probe of such a server saw, the peak of its memory, and how often something else had its turn meanwhile."""
    async with serving(talk) as port, turning() as turns:
        prober = HttpProber()
        tracemalloc.start()
        try:
            async with asyncio.timeout(30):
                seen = await prober.get(f"http://name.test:{port}{path}", "127.0.0.1", expect or Expect(), timeout)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < MEMORY
    assert "\n" not in seen.detail
    assert len(seen.detail) < 400
    return seen, peak, turns()


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ZEROS = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
BOMB = b"".join([*(ZEROS.compress(bytes(1 << 20)) for _ in range(64)), ZEROS.flush()])
"""64 MiB in 64 KiB."""
EMPTY_BLOCKS = b"\x1f\x8b\x08\0\0\0\0\0\0\3"
"""A gzip header; deflate blocks without content can follow without end."""


@pytest.mark.parametrize(
    "talk",
    [
        for_ever(OK + b"\r\n", b"x" * 65536),
        for_ever(OK + b"Content-Length: 999999999999999\r\n\r\n", b"x" * 65536),
        for_ever(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        saying(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
        for_ever(OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB, BOMB),
        saying(OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(bytes(16 << 20), 9)),
    ],
    ids=["endless", "endless by length", "endless by chunks", "gzip bomb", "endless gzip bomb", "deflate bomb"],
)
async def test_a_body_without_measure_is_cut_and_judged_by_its_beginning(talk: Talk) -> None:
    seen, _, _ = await asked(talk, timeout=20)
    assert (seen.ok, seen.cut, seen.size, len(seen.raw)) == (True, True, BODY_LIMIT, BODY_LIMIT)


async def test_blocks_that_unpack_to_nothing_are_not_read_without_end() -> None:
    seen, _, _ = await asked(
        for_ever(OK + b"Content-Encoding: gzip\r\n\r\n" + EMPTY_BLOCKS, b"\0\0\0\xff\xff" * 10_000), timeout=20
    )
    assert (seen.ok, seen.cut, seen.size) == (True, True, 0)


@pytest.mark.parametrize(
    ("talk", "detail"),
    [
        (for_ever(OK, b"x: y\r\n" * 1000), "its headers are longer than 100 KB"),
        (for_ever(b"HTTP/1.1 200 ", b"x" * 65536), "its headers are longer than 100 KB"),
        (saying(OK + b"x: " + b"y" * (1 << 20) + b"\r\n\r\n"), "its headers are longer than 100 KB"),
        (saying(OK + b"a: b\r\n" * 10_000 + b"\r\n"), "the answer has 10000 headers; more than 1000 are not read"),
        (for_ever(b"", b"\x00\xff" * 50), "the server broke off"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "the server broke off"),
        (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500), "the server broke off: more than 100 interim answers"),
        (saying(OK + b"Content-Length: -5\r\n\r\n"), "the server broke off"),
        (saying(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), "the server broke off"),
        (saying(CHUNKED + b"ffffffffffffffffffffffff\r\nx"), "the server broke off"),
        (saying(CHUNKED + b"zz\r\n"), "the server broke off"),
        (saying(OK + b"Content-Length: 50\r\n\r\nshort"), "the server broke off"),
        (saying(OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"), "the body is no gzip"),
        (
            saying(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello" * 99)[:-12]),
            "the gzip body is cut off",
        ),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"), "more than 5 redirects"),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: http://[::bad/\r\nContent-Length: 0\r\n\r\n"), ""),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 90_000 + b"\r\nContent-Length: 0\r\n\r\n"), ""),
        (
            saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            "the server broke off",
        ),
        (saying(b"HTTP/1.1 999 \x1b[31mred\x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n"), ""),
    ],
    ids=lambda value: None if callable(value) else value[:20].replace(" ", "-"),
)
async def test_what_is_no_answer_is_a_stated_failure(talk: Talk, detail: str) -> None:
    seen, _, _ = await asked(talk, timeout=20)
    assert not seen.ok
    assert not seen.stalled
    assert detail in seen.detail, seen.detail
    assert "\x1b" not in seen.detail


@pytest.mark.parametrize(
    ("talk", "detail"),
    [
        (for_ever(OK, b"x", 0.05), "no end of the headers within 2 s"),
        (for_ever(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.05), "status 200, but no end of the body within 2 s"),
        (
            for_ever(OK + b"Content-Encoding: gzip\r\n\r\n" + EMPTY_BLOCKS, b"\0\0\0\xff\xff", 0.05),
            "status 200, but no end of the body within 2 s",
        ),
        (for_ever(b"", b"", 0.05), "no answer within 2 s"),
    ],
    ids=["headers drip", "body drips", "gzip drips", "silence"],
)
async def test_what_has_no_end_is_ended_by_the_time_out_while_the_loop_goes_on(talk: Talk, detail: str) -> None:
    seen, _, turns = await asked(talk)
    assert (seen.ok, seen.status, seen.stalled, seen.detail) == (False, 0, True, detail)
    assert turns >= 5


async def test_a_body_in_tiny_pieces_is_cut_while_the_loop_goes_on() -> None:
    seen, _, turns = await asked(for_ever(CHUNKED, b"1\r\nx\r\n" * 5000), timeout=20)
    assert (seen.ok, seen.cut, seen.size) == (True, True, PIECES)
    assert turns >= 5


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        (OK + b"Set-Cookie: a=b\r\n" * 900 + b"Content-Length: 0\r\n\r\n", 80),
        (OK + b"".join(b"x-%d: y\r\n" % n for n in range(900)) + b"Content-Length: 0\r\n\r\n", 80),
        (OK + b"x: " + b"\xf0\x9f\x92\xa3" * 10_000 + b"\r\nContent-Length: 0\r\n\r\n", 80),
        (OK + b"Content-Type: text/html\r\n\r\n" + b"<title " * 100_000, 80),
        (OK + b"Content-Type: text/html; charset=punycode\r\n\r\n" + b"a-" * 500_000, 80),
        (OK + b"Content-Encoding: br\r\n\r\n" + b"\x0b\x02\x80hello\x03", 80),
        (OK + b"Content-Encoding: gzip, gzip\r\n\r\n" + gzip.compress(BOMB), 80),
        (OK + b"Content-Type: text/html\r\n\r\n<title>\x1b[2J\xe2\x80\xae\x07 boo</title>", 80),
    ],
    ids=["cookies", "names", "value", "titles", "punycode", "brotli", "gzip twice", "control codes"],
)
async def test_what_is_odd_but_an_answer_is_kept_within_bounds(answer: bytes, facts: int) -> None:
    seen, _, _ = await asked(saying(answer), timeout=20)
    assert seen.ok, seen.detail
    shown = {name: value for name, value in seen.facts.items() if not name.startswith("header.")}
    assert len(shown) <= facts
    assert all(len(value) <= 300 for value in shown.values())
    assert sum(len(name) + len(value) for name, value in seen.facts.items()) < 128 * 1024, (
        "as much as the headers may be"
    )
    text = seen.title + "".join(seen.facts.values()) + "".join(value for _, value in seen.headers)
    assert not any(char < " " or char in "\x7f\u202e" for char in text)


def test_a_bomb_is_unpacked_to_the_limit_and_no_further() -> None:
    body = Body("gzip", limit=1000)
    tracemalloc.start()
    assert not body.add(BOMB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(body.done()), body.cut) == (1000, True)
    assert peak < len(BOMB) * 3


@pytest.mark.parametrize(
    "data", [b"\x00" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\x40\x00" + b"\xff" * 16384]
)
async def test_what_is_no_tls_is_a_stated_failure(data: bytes) -> None:
    async with serving(saying(data), ask_first=False) as port:
        seen = await HttpProber().get(f"https://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert (seen.ok, seen.status, seen.certificate) == (False, 0, None)
    assert seen.detail.startswith("no connection: TLS: "), seen.detail


async def test_a_handshake_that_never_ends_is_ended_by_the_time_out() -> None:
    async with serving(for_ever(b"", b"", 0.05), ask_first=False) as port:
        seen = await HttpProber().get(f"https://name.test:{port}/", "127.0.0.1", Expect(), 0.5)
    assert (seen.ok, seen.stalled, seen.detail) == (False, True, "no answer within 0.5 s")


def frame(kind: int, flags: int, stream: int, data: bytes = b"") -> bytes:
    """RFC 9113 §4.1."""
    return struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data


SETTINGS = frame(4, 0, 0)
GOOD_HEADERS = frame(1, 4, 1, b"\x88")
"""`:status: 200`, END_HEADERS, from the static table."""


@pytest.mark.parametrize(
    ("talk", "detail"),
    [
        (saying(b"\x00\xff" * 500), "broke off"),
        (saying(SETTINGS + frame(7, 0, 0, struct.pack(">II", 0, 2))), "broke off"),
        (saying(SETTINGS + frame(3, 0, 1, struct.pack(">I", 8))), "broke off"),
        (saying(SETTINGS + frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff")), "broke off"),
        (saying(SETTINGS + GOOD_HEADERS + frame(0, 0, 1, b"x" * 100) + frame(3, 0, 1, bytes(4))), "broke off"),
        (for_ever(SETTINGS + frame(1, 0, 1, b"\x88"), frame(9, 0, 1, b"\x00\x01a\x01b" * 3000)), ""),
        (for_ever(SETTINGS, frame(6, 0, 0, bytes(8)) * 200), "no answer within 2 s"),
        (for_ever(b"", SETTINGS * 200), "no answer within 2 s"),
        (for_ever(SETTINGS, b"", 0.05), "no answer within 2 s"),
        (
            for_ever(SETTINGS + GOOD_HEADERS, frame(0, 0, 1, b"") * 50, 0.02),
            "status 200, but no end of the body within 2 s",
        ),
    ],
    ids=[
        "garbage",
        "goaway",
        "reset",
        "hpack",
        "cut body",
        "continuation flood",
        "ping flood",
        "settings flood",
        "silence",
        "empty data flood",
    ],
)
async def test_http_2_that_means_no_good_is_a_stated_failure(
    talk: Talk, detail: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    timeout = TIMEOUT if "within" in detail else 20
    context = authority.context("name.test", protocols=("h2",))
    async with serving(talk, context) as port, turning() as turns:
        prober = HttpProber()
        tracemalloc.start()
        async with asyncio.timeout(30):
            seen = await prober.get(
                f"https://name.test:{port}/", "127.0.0.1", Expect(), timeout, http2=True, ca=authority.file
            )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not seen.ok
    assert detail in seen.detail, seen.detail
    assert peak < MEMORY
    assert not seen.stalled or turns() >= 5


async def test_an_endless_body_over_http_2_is_cut_and_judged(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    talk = for_ever(SETTINGS + GOOD_HEADERS, frame(0, 0, 1, b"x" * 16384))
    async with serving(talk, authority.context("name.test", protocols=("h2",))) as port:
        seen = await HttpProber().get(
            f"https://name.test:{port}/", "127.0.0.1", Expect(), 20, http2=True, ca=authority.file
        )
    assert (seen.ok, seen.cut, seen.size, seen.version) == (True, True, BODY_LIMIT, "HTTP/2")


@given(
    st.binary(max_size=3000), st.integers(1, 4000), st.integers(1, 700), st.sampled_from(["", "gzip", "deflate", "raw"])
)
def test_a_body_is_the_same_however_it_comes_in_pieces(data: bytes, limit: int, step: int, how: str) -> None:
    packed = {"": data, "gzip": gzip.compress(data), "deflate": zlib.compress(data), "raw": zlib.compress(data)[2:-4]}[
        how
    ]
    body = Body("deflate" if how == "raw" else how, limit=limit)
    for at in range(0, len(packed), step):
        if not body.add(packed[at : at + step]):
            break
    assert body.done() == data[:limit]
    assert body.cut == (len(data) > limit)


@given(st.binary(max_size=400), st.sampled_from(["", "gzip", "deflate", "br", "x, y"]))
def test_no_bytes_of_a_body_are_a_fault_of_the_program(data: bytes, encoding: str) -> None:
    body = Body(encoding, limit=100)
    with suppress(ValueError):
        body.add(data)
        assert len(body.done()) <= 100


@pytest.mark.parametrize(
    ("answer", "that", "why"),
    [
        (b"Content-Encoding: br\r\n\r\nfatal error", 'not body contains "fatal"', "body is not known yet"),
        (b"\r\n" + b"x" * (1 << 20) + b"fatal", 'not body contains "fatal"', "only the beginning of the body was read"),
        (b"".join(b"x-%d: y\r\n" % n for n in range(70)) + b"x-debug: on\r\n\r\n", 'header.x-debug == ""', "is on"),
        (b"policy: " + b"a " * 200 + b"unsafe\r\n\r\n", 'not header.policy contains "unsafe"', "header.policy is a"),
    ],
    ids=["packed", "cut", "the 71st header", "the end of a header"],
)
async def test_what_was_never_read_is_no_evidence_that_something_is_missing(answer: bytes, that: str, why: str) -> None:
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + answer
    async with serving(saying(whole)) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(that=(that,)), 10)
    assert (seen.ok, why in seen.detail) == (False, True), seen.detail


async def test_the_beginning_of_a_body_is_enough_for_what_stands_in_it() -> None:
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfatal" + b"x" * (1 << 20)
    async with serving(saying(whole)) as port:
        expect = Expect(that=('body contains "fatal"', 'not body contains "other" or status == 200'))
        assert (await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", expect, 10)).ok
