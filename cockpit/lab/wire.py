"""DNS on the wire: a server for UDP and TCP at one address, and asking another one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Hashable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig

Reply = Callable[[dns.message.Message, bool], Awaitable[dns.message.Message | None]]
"""Takes a message and whether it came over TCP, gives the answer, or None for silence."""
Version = Callable[[bytes], Hashable | None]
"""Takes a question as its bytes, the name in small letters, and tells what an answer to it depends on: while that is the same, so
is the answer. None where it has to be worked out."""
OUTSTANDING = 500
REMEMBERED = 2000
"""Answers that a server keeps as they went out."""
IDLE = 10.0
AT_ONCE = 200
"""Questions that are read in one turn of the loop."""
OPT = b"\0\0\x29"
"""How an EDNS record begins: the root's name and its type."""


class DnsServer:
    """Listens at `address:port` over UDP and TCP; `keys` verify TSIG (RFC 8945). With `version`, a question over UDP that was
    answered before gets the same bytes again: a lab is asked a hundred times a second, mostly the same."""

    def __init__(
        self,
        name: str,
        address: str,
        port: int,
        reply: Reply,
        keys: dict[dns.name.Name, dns.tsig.Key] | None = None,
        version: Version | None = None,
    ) -> None:
        self.name = name
        self.address = address
        self.port = port
        self._reply = reply
        self._keys = keys or {}
        self._version = version
        self._said: dict[bytes, tuple[Hashable, bytes]] = {}
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.dropped = 0

    async def start(self) -> None:
        """Listen. Raises OSError."""
        udp = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            udp.bind((self.address, self.port))
            self._tcp = await asyncio.start_server(self._stream, self.address, self.port)
        except BaseException:
            udp.close()
            raise
        self._udp = udp
        asyncio.get_running_loop().add_reader(udp, self._readable, udp)

    async def stop(self) -> None:
        """Close both sockets; questions under way get no answer."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _readable(self, udp: socket.socket) -> None:
        # asyncio's own transport reads one in each turn of the loop: where turns get slow, questions would pile up, and each
        # answer come too late.
        for _ in range(AT_ONCE):
            try:
                data, peer = udp.recvfrom(65535)
            except OSError:
                return
            self._datagram(data, peer)

    def _datagram(self, data: bytes, peer: tuple[str, int]) -> None:
        if len(self._tasks) >= OUTSTANDING:
            self.dropped += 1
            return
        self._own(asyncio.create_task(self._answer_datagram(data, peer)))

    async def _answer_datagram(self, data: bytes, peer: tuple[str, int]) -> None:
        await self.thawed.wait()
        end = _plain(data) if self._version is not None else 0
        wire = await (self._again(data, end, self._version) if end and self._version else self._handle(data, tcp=False))
        if wire is not None and self._udp is not None:
            # What does not fit in now is lost on the way, as datagrams are.
            with contextlib.suppress(OSError):
                self._udp.sendto(wire, peer)

    async def _again(self, data: bytes, end: int, version: Version) -> bytes | None:
        """What was said to the same question before, else what is worked out; `end` is where the question ends."""
        # Names come in letters of any case, and go back as they came.
        question = data[12 : end - 4].lower() + data[end - 4 : end]
        key, now = data[2:12] + question + data[end:], version(question)
        known = self._said.get(key)
        if known is not None and now is not None and known[0] == now:
            return data[:2] + known[1][2:12] + data[12:end] + known[1][end:]
        wire = await self._handle(data, tcp=False)
        # It may depend on something else by now, and be an answer of neither.
        if wire is not None and now is not None and version(question) == now:
            if len(self._said) >= REMEMBERED:
                self._said.clear()
            self._said[key] = (now, wire)
        return wire

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._own(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                while True:
                    async with asyncio.timeout(IDLE):
                        (size,) = struct.unpack("!H", await reader.readexactly(2))
                        message = await reader.readexactly(size)
                    wire = await self._handle(message, tcp=True)
                    if wire is None:
                        return
                    writer.write(struct.pack("!H", len(wire)) + wire)
                    await writer.drain()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()

    async def _handle(self, data: bytes, *, tcp: bool) -> bytes | None:
        await self.thawed.wait()
        try:
            message = dns.message.from_wire(data, keyring=self._keys)
        except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
            return _denied(data, dns.rcode.BADKEY)
        except dns.tsig.BadSignature:
            return _denied(data, dns.rcode.BADSIG)
        except dns.tsig.BadTime:
            return _denied(data, dns.rcode.BADTIME)
        except (dns.exception.DNSException, ValueError, IndexError):
            return _bare(data, dns.rcode.FORMERR)
        if message.flags & dns.flags.QR:
            return None
        response = await self._reply(message, tcp)
        if response is None:
            return None
        limit = 65535 if tcp else max(message.payload, 512) if message.edns >= 0 else 512
        try:
            return response.to_wire(max_size=limit)
        except dns.exception.TooBig:
            short = dns.message.make_response(message)
            short.flags |= dns.flags.TC
            return short.to_wire()


class _Question(asyncio.DatagramProtocol):
    def __init__(self, id: bytes) -> None:
        self._id = id
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        # A late answer to what was asked from the same port before is none to this.
        if data.startswith(self._id) and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def ask(query: dns.message.Message, address: str, port: int, timeout: float = 1.0) -> dns.message.Message:
    """One question over UDP. Raises OSError, TimeoutError or DNSException."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Question(struct.pack("!H", query.id)), remote_addr=(address, port)
    )
    try:
        transport.sendto(query.to_wire())
        async with asyncio.timeout(timeout):
            answer = dns.message.from_wire(await protocol.answer)
    finally:
        transport.close()
    return answer


async def ask_tcp(query: dns.message.Message, address: str, port: int, timeout: float = 5.0) -> dns.message.Message:
    """One question over TCP. Raises OSError, TimeoutError, IncompleteReadError or DNSException."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(address, port)
        try:
            wire = query.to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            return dns.message.from_wire(await reader.readexactly(size), one_rr_per_rrset=False)
        finally:
            writer.close()


def _plain(data: bytes) -> int:
    """Where the only question of a query ends; 0 for what is none, or has more to it than EDNS, such as a signature."""
    if len(data) < 17 or data[2] & 0xF8 or data[4:10] != b"\0\1\0\0\0\0":
        return 0
    at = 12
    while at < len(data) and 0 < data[at] < 64:
        at += data[at] + 1
    end = at + 5
    if end > len(data) or data[at]:
        return 0
    more = data[10:12]
    return end if (more == b"\0\0" and end == len(data)) or (more == b"\0\1" and data[end : end + 3] == OPT) else 0


def _denied(data: bytes, error: dns.rcode.Rcode) -> bytes:
    """NOTAUTH with a TSIG that says why and carries no MAC (RFC 8945 §5.2.1, §5.2.2)."""
    asked = dns.message.from_wire(data, keyring=False)
    wire = bytearray(_bare(data, dns.rcode.NOTAUTH) or b"")
    wire[10:12] = b"\0\1"
    algorithm = asked.keyalgorithm or dns.tsig.default_algorithm
    when = int(time.time()).to_bytes(6, "big")
    rest = (algorithm.to_wire() or b"") + when + struct.pack("!HHHHH", 300, 0, asked.id, error, 0)
    owner = (asked.keyname or dns.name.root).to_wire() or b""
    return bytes(wire) + owner + struct.pack("!HHIH", dns.rdatatype.TSIG, dns.rdataclass.ANY, 0, len(rest)) + rest


def _bare(data: bytes, code: dns.rcode.Rcode) -> bytes | None:
    """An answer to what could not be read: the id, QR, the opcode and the code."""
    if len(data) < 12 or data[2] & 0x80:
        return None
    return data[:2] + bytes([0x80 | (data[2] & 0x79), int(code)]) + bytes(8)
