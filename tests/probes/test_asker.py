"""The asker over every transport: UDP with its fallbacks, TCP, TLS, HTTPS, and the operating system's own resolver."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import struct
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cockpit.probes.dns.ask import STREAMS, Answer, Asker, ask
from tests.probes.rude import Rude, Stream, framed, good, message, query_of, question_of, record

NAME = "www.example.test"
RESOLVER = "dns.example.test"
WELL = ("192.0.2.1",)


@pytest_asyncio.fixture
async def asker() -> AsyncIterator[Asker]:
    async with Asker() as running:
        yield running


async def put(asker: Asker, server: str, type: str = "A", timeout: float = 2.0, name: str = NAME) -> Answer:
    return await asker.ask(server, name, type, recurse=True, timeout=timeout)


def _has_edns(query: bytes) -> bool:
    return query[11] == 1


class Certified:
    """A server's context, and the file of the authority that signed its certificate for one name."""

    def __init__(self, folder: Path, name: str, alpn: tuple[str, ...] = (), days: int = 2) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret = folder / f"{name}.key"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca, secret)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))


async def _honest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(framed(good(await query_of(reader))))
    await reader.read()


async def test_an_answer_comes_over_both_address_families(asker: Asker) -> None:
    async with Rude(lambda query: [good(query)]) as four, Rude(lambda query: [good(query)], host="::1") as six:
        assert (await put(asker, four.server)).values == WELL
        assert (await put(asker, six.server)).values == WELL


async def test_many_questions_under_way_each_get_their_own_answer(asker: Asker) -> None:
    """Answers come in another order than the questions, from two servers."""
    held: list[tuple[Rude, bytes, tuple[str, int]]] = []

    class Shuffled(Rude):
        def received(self, data: bytes, peer: tuple[str, int]) -> None:
            held.append((self, data, peer))
            if len(held) == 400:
                for server, query, back in reversed(held):
                    number = int(question_of(query)[2:5])
                    side = 1 if server is one else 2
                    server.transport.sendto(
                        message(query, record(bytes([10, side, number // 256, number % 256])), counts=(1, 0, 0)), back
                    )

    async with Shuffled() as one, Shuffled() as two:
        asked = [(side, number) for number in range(200) for side in (1, 2)]
        found = await asyncio.gather(
            *(
                put(asker, (one if side == 1 else two).server, name=f"n{number:03}.example.test", timeout=10)
                for side, number in asked
            )
        )
    assert [answer.values for answer in found] == [
        (f"10.{side}.{number // 256}.{number % 256}",) for side, number in asked
    ]
    assert asker.ignored == 0


async def test_questions_come_from_several_ports(asker: Asker) -> None:
    ports: set[int] = set()

    class Noting(Rude):
        def received(self, data: bytes, peer: tuple[str, int]) -> None:
            ports.add(peer[1])
            super().received(data, peer)

    async with Noting(lambda query: [good(query)]) as server:
        for _ in range(8):
            await put(asker, server.server)
    assert len(ports) == 4


async def test_a_lost_question_is_asked_again_within_the_time(asker: Asker) -> None:
    lost: list[bytes] = []

    def reply(query: bytes) -> list[bytes]:
        lost.append(query)
        return [good(query)] if len(lost) == 2 else []

    async with Rude(reply) as rude:
        assert (await put(asker, rude.server, timeout=2.5)).values == WELL
        assert len(rude.asked) == 2


@pytest.mark.parametrize("code", [1, 4])
@pytest.mark.parametrize("bare", [True, False])
async def test_a_server_that_knows_no_edns_is_asked_without(asker: Asker, code: int, bare: bool) -> None:
    def refusal(query: bytes) -> bytes:
        if not _has_edns(query):
            return good(query)
        return (
            query[:2] + struct.pack("!HHHHH", 0x8180 | code, 0, 0, 0, 0)
            if bare
            else message(query, flags=0x8180 | code)
        )

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(framed(refusal(await query_of(reader))))
        await reader.read()

    async with Rude(lambda query: [refusal(query)], stream) as rude:
        assert (await put(asker, rude.server)).values == WELL
        if not bare:
            assert (await put(asker, f"tcp://{rude.server}")).values == WELL


async def test_a_server_that_refuses_everything_is_told_so_and_asked_twice_at_most(asker: Asker) -> None:
    async with Rude(lambda query: [message(query, flags=0x8181)]) as rude:
        answer = await put(asker, rude.server)
        assert (answer.rcode, answer.values) == ("FORMERR", ())
        assert len(rude.asked) == 2


async def test_what_is_cut_is_asked_for_over_tcp(asker: Asker) -> None:
    async with Rude(lambda query: [message(query, flags=0x8780)], _honest) as rude:
        assert (await put(asker, rude.server)).values == WELL
        assert (await put(asker, f"tcp://{rude.server}")).values == WELL


async def test_tls_is_believed_only_with_a_certificate_for_its_name(tmp_path: Path) -> None:
    shown = Certified(tmp_path, RESOLVER)
    async with Rude(stream=_honest, tls=shown.context) as rude:
        async with Asker(ca=str(shown.ca)) as asker:
            assert (await put(asker, f"tls://{rude.server}#{RESOLVER}")).values == WELL
            other = await put(asker, f"tls://{rude.server}#other.example.test")
            assert (other.rcode, other.values) == ("", ())
            assert other.trouble.startswith("the certificate does not hold for other.example.test: Hostname mismatch")
            once = await ask(f"tls://{rude.server}#{RESOLVER}", NAME, "A", recurse=True, ca=str(shown.ca))
            assert once.values == WELL
            assert "does not hold for 127.0.0.1" in (await put(asker, f"tls://{rude.server}")).trouble
        async with Asker() as stranger:
            assert "self-signed certificate" in (await put(stranger, f"tls://{rude.server}#{RESOLVER}")).trouble
    expired = Certified(tmp_path, RESOLVER, days=-1)
    async with Rude(stream=_honest, tls=expired.context) as rude, Asker(ca=str(expired.ca)) as asker:
        assert "certificate has expired" in (await put(asker, f"tls://{rude.server}#{RESOLVER}")).trouble


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    [size] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return head, await reader.readexactly(size)


def _http(reply: Callable[[bytes], bytes]) -> Stream:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, query = await _request(reader)
        writer.write(reply(query))
        await writer.drain()
        await reader.read()

    return serve


def _ok(body: bytes, kind: bytes = b"application/dns-message") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)


async def test_https_is_one_post_of_the_message_to_the_pinned_address(tmp_path: Path) -> None:
    shown = Certified(tmp_path, RESOLVER, ("http/1.1",))
    heads: list[bytes] = []
    queries: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, query = await _request(reader)
        heads.append(head)
        queries.append(query)
        writer.write(_ok(good(query)))
        await reader.read()

    async with Rude(stream=serve, tls=shown.context) as rude, Asker(ca=str(shown.ca)) as asker:
        server = f"https://{RESOLVER}:{rude.port}/dns-query@127.0.0.1"
        assert (await put(asker, server)).values == WELL
        other = await put(asker, server.replace(RESOLVER, "other.example.test"))
        assert other.trouble.startswith("the certificate does not hold for other.example.test: Hostname mismatch")
    assert len(heads) == 1
    assert heads[0].startswith(b"POST /dns-query HTTP/1.1\r\n")
    assert f"\r\nHost: {RESOLVER}:{rude.port}\r\n".encode() in heads[0]
    assert b"\r\nContent-Type: application/dns-message\r\n" in heads[0]
    assert queries[0][:2] == b"\0\0"


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
        await writer.drain()


async def _headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(20000)))
    await writer.drain()
    await reader.read()


async def _body_drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    _, query = await _request(reader)
    for byte in _ok(good(query)):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


HTTPS: dict[str, tuple[Stream, str]] = {
    "an error": (_http(lambda q: b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), "HTTP status 503"),
    "a redirect": (
        _http(lambda q: b"HTTP/1.1 302 Go\r\nLocation: https://evil.test/\r\nContent-Length: 0\r\n\r\n"),
        "HTTP status 302",
    ),
    "a page": (_http(lambda q: _ok(b"<html>", b"text/html\x1b[31m")), "not with application/dns-message"),
    "another question's answer": (_http(lambda q: _ok(b"\0\1" + good(q)[2:])), "another question"),
    "garbage": (_http(lambda q: b"\x00" * 500), "broke off"),
    "a short body": (_http(lambda q: _ok(b"abc")), "it has 3 bytes"),
    "an endless body": (_endless, "longer than 65535 bytes"),
    "20,000 headers": (_headers, "broke off"),
    "a slow drip": (_body_drip, "no answer in time"),
}


@pytest.mark.parametrize("case", HTTPS)
async def test_an_https_resolver_that_breaks_the_rules_is_a_stated_failure(tmp_path: Path, case: str) -> None:
    stream, words = HTTPS[case]
    shown = Certified(tmp_path, RESOLVER, ("http/1.1",))
    async with Rude(stream=stream, tls=shown.context) as rude, Asker(ca=str(shown.ca)) as asker:
        tracemalloc.start()
        try:
            answer = await put(asker, f"https://{RESOLVER}:{rude.port}/@127.0.0.1", timeout=1.0)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (answer.rcode, answer.values) == ("", ())
    assert words in answer.trouble
    assert answer.trouble.isprintable()
    assert most < 20e6


async def test_the_system_s_resolver_sees_the_hosts_file(asker: Asker) -> None:
    answer = await put(asker, "system", name="localhost")
    assert (answer.rcode, answer.values, answer.ttl) == ("NOERROR", ("127.0.0.1",), -1)
    back = await put(asker, "system", "PTR", name="1.0.0.127.in-addr.arpa")
    assert "localhost" in back.values


async def test_the_system_s_resolver_knows_no_other_types(asker: Asker) -> None:
    for type in ("MX", "TXT", "NS", "SOA"):
        answer = await put(asker, "system", type)
        assert answer.trouble == f"the system's resolver cannot be asked for {type}: only for A, AAAA and PTR"
    assert "names of addresses only" in (await put(asker, "system", "PTR", name="www.example.test")).trouble


@pytest.mark.parametrize(
    ("error", "rcode", "trouble"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no name"), "NXDOMAIN", ""),
        (socket.gaierror(-5, "no address"), "NOERROR", ""),
        (socket.gaierror(socket.EAI_AGAIN, "again"), "", "could not ask anybody"),
        (socket.gaierror(socket.EAI_FAIL, "fail"), "", "error -4"),
        (OSError("broken"), "", "the system's resolver failed: broken"),
        (UnicodeError("label too long"), "", "the system's resolver failed: label too long"),
    ],
)
async def test_what_the_system_refuses_is_said_in_the_words_of_dns(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, error: Exception, rcode: str, trouble: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    answer = await put(asker, "system")
    assert (answer.rcode, answer.values) == (rcode, ())
    assert trouble in answer.trouble


async def test_a_system_that_does_not_answer_holds_a_few_threads_and_nobody_up(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    most = 0

    def hang(*_: object) -> list[object]:
        nonlocal most
        most = max(most, sum(thread.name == "system resolver" for thread in threading.enumerate()))
        free.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        answers = await asyncio.gather(*(put(asker, "system", timeout=0.3) for _ in range(20)))
        assert {answer.trouble for answer in answers} == {"no answer in time"}
        assert most <= 4
    finally:
        free.set()
    monkeypatch.undo()
    assert (await put(asker, "system", name="localhost", timeout=5)).values == ("127.0.0.1",)


async def test_a_question_that_cannot_be_asked_is_trouble_and_no_fault(asker: Asker) -> None:
    for server in ("ns1.example.org", "192.0.2.1:port", "", "[::1", "quic://192.0.2.1", "https://dns.example.org/"):
        assert "names no server" in (await put(asker, server)).trouble
    assert "cannot be asked for" in (await put(asker, "127.0.0.1:53", name="a..b")).trouble
    assert "cannot be asked for" in (await put(asker, "127.0.0.1:53", "NONSENSE")).trouble


async def test_an_asker_that_is_closed_leaves_no_socket_and_no_question_behind() -> None:
    before = {thread.name for thread in threading.enumerate()}
    async with Rude() as rude:
        async with Asker() as asker:
            waiting = asyncio.create_task(put(asker, rude.server, timeout=30))
            while not asker.outstanding:
                await asyncio.sleep(0.01)
        assert (await waiting).trouble == "no answer: the questions have ended"
    assert asker.outstanding == 0
    assert {thread.name for thread in threading.enumerate()} <= before


async def test_a_question_that_waits_for_a_connection_ends_in_its_own_time(asker: Asker) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with Rude(stream=deaf) as rude:
        held = [asyncio.create_task(put(asker, f"tcp://{rude.server}", timeout=300)) for _ in range(STREAMS)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(60):
            assert (await put(asker, f"tcp://{rude.server}", timeout=0.2)).trouble == "no answer in time"
        for task in held:
            task.cancel()
        assert {type(one) for one in await asyncio.gather(*held, return_exceptions=True)} == {asyncio.CancelledError}


@pytest.mark.parametrize("server", [f"tls://127.0.0.1:1#{'a' * 64}.test", f"https://{'a' * 64}.test/q@127.0.0.1"])
async def test_a_label_that_no_name_can_have_is_a_trouble_and_raises_nothing(server: str) -> None:
    async with Asker() as asker:
        answer = await asker.ask(server, "www.x.test", "A", recurse=True)
    assert answer.rcode == ""
    assert "63 characters" in answer.trouble


async def test_what_a_library_cannot_use_is_a_trouble_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def odd(*_: object, **__: object) -> None:
        raise UnicodeError("label too long")

    monkeypatch.setattr(asyncio, "open_connection", odd)
    async with Asker() as asker:
        answer = await asker.ask("tcp://127.0.0.1:1", "www.x.test", "A", recurse=True)
    assert (answer.rcode, "label too long" in answer.trouble) == ("", True)
