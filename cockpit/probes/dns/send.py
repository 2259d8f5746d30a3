"""Sending an update and reading what comes back: over TCP, over UDP where nothing listens there."""

from __future__ import annotations

import asyncio
import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.tsig
import dns.update
import msgspec

from cockpit.probes.dns.ask import endpoint
from cockpit.text import harmless

SMALL = 1232
"""Bytes that a datagram carries without being cut into pieces on the way."""

DATAGRAM = 2.0
"""Seconds for the answer to a datagram. It is never sent again by itself: whoever sent it looks first what became of it."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `code` is '' when nothing did; then `why` says it, and `sent` whether the server may have the update."""

    code: str = ""
    signed: bool = False
    """Signed by the key that the update was signed with, or neither was; an error of TSIG itself counts as signed."""
    sent: bool = True
    why: str = ""
    ahead: float | None = None
    """Seconds that the server's clock is ahead, told with BADTIME (RFC 8945 §5.2.3)."""


async def send(update: dns.update.UpdateMessage, server: str, timeout: float) -> Reply:
    """Send it and wait up to `timeout` seconds for the answer. Never raises for what the server does."""
    try:
        wire = update.to_wire()
        address, port = endpoint(server)
    except (dns.exception.DNSException, ValueError, KeyError, NotImplementedError, struct.error) as error:
        return Reply(
            sent=False, why=f"the update cannot be written: {harmless(str(error) or type(error).__name__, 200)}"
        )
    began = time.monotonic()
    reply = await _over_tcp(update, wire, address, port, timeout)
    if reply.code or reply.sent or len(wire) > SMALL:
        return reply
    left = timeout - (time.monotonic() - began)
    over_udp = await _over_udp(update, wire, address, port, left) if left > 0 else reply
    return over_udp if over_udp.code or over_udp.sent else reply


async def _over_tcp(update: dns.update.UpdateMessage, wire: bytes, address: str, port: int, timeout: float) -> Reply:
    sent = False
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(struct.pack("!H", len(wire)) + wire)
            sent = True
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                reply = _read(update, await reader.readexactly(size))
                if reply is not None:
                    return reply
    except TimeoutError:
        return Reply(sent=sent, why="no answer in time")
    except asyncio.IncompleteReadError:
        return Reply(sent=sent, why="the connection was closed before the answer")
    except OSError as error:
        return Reply(sent=sent, why=harmless(error.strerror or str(error), 200))
    finally:
        if writer is not None:
            writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    """A socket for one question: what is no answer to it is passed over."""

    def __init__(self, update: dns.update.UpdateMessage) -> None:
        self._update = update
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        reply = _read(self._update, data)
        if reply is not None and not self.reply.done():
            self.reply.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _over_udp(update: dns.update.UpdateMessage, wire: bytes, address: str, port: int, timeout: float) -> Reply:
    loop = asyncio.get_running_loop()
    transport: asyncio.DatagramTransport | None = None
    try:
        async with asyncio.timeout(min(timeout, DATAGRAM)):
            transport, socket = await loop.create_datagram_endpoint(
                lambda: _Datagrams(update), remote_addr=(address, port)
            )
            transport.sendto(wire)
            return await socket.reply
    except TimeoutError:
        return Reply(why="no answer in time")
    except ConnectionRefusedError:
        return Reply(sent=False, why="nothing listens there")
    except OSError as error:
        return Reply(sent=transport is not None, why=harmless(error.strerror or str(error), 200))
    finally:
        if transport is not None:
            transport.abort()


def _read(update: dns.update.UpdateMessage, data: bytes) -> Reply | None:
    """An answer to the update in words; None for what is none."""
    try:
        # Read without its signature first: an error of TSIG itself carries none.
        bare = dns.message.from_wire(data, keyring=False, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return None
    if bare.id != update.id or not bare.flags & dns.flags.QR or bare.opcode() != update.opcode():
        return None
    code = dns.rcode.to_text(bare.rcode())
    if not update.had_tsig and update.keyring is None:
        return Reply(code=code, signed=True)
    if bare.tsig is None:
        return Reply(code=code)
    record = bare.tsig[0]
    if record.error:
        ahead = None
        if record.error == dns.rcode.BADTIME and len(record.other) == 6:
            ahead = float(int.from_bytes(record.other, "big")) - time.time()
        return Reply(code=dns.rcode.to_text(dns.rcode.Rcode.make(record.error), True), signed=True, ahead=ahead)
    try:
        dns.message.from_wire(data, keyring=update.keyring, request_mac=update.mac, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return Reply(code=code)
    return Reply(code=code, signed=True)
