"""Questions over TCP (RFC 7766) and TLS (RFC 7858), each on a connection of its own."""

from __future__ import annotations

import asyncio
import ssl
import struct

from cockpit.probes.dns.servers import Server
from cockpit.probes.dns.wire import Malformed
from cockpit.text import harmless


class Broken(Exception):
    """The connection gave no answer; the text says why."""


async def ask_stream(server: Server, wire: bytes, context: ssl.SSLContext | None) -> bytes:
    """Send a message and get the next one, of at most 64 KB. The caller limits the time. Raises Broken and Malformed."""
    try:
        reader, writer = await asyncio.open_connection(
            server.address, server.port, ssl=context, server_hostname=server.name if context is not None else None
        )
    except ssl.SSLCertVerificationError as error:
        raise Broken(certificate_trouble(error, server)) from None
    except ssl.SSLError as error:
        raise Broken(f"no TLS at {server.place}: {harmless(error.reason or str(error), 200)}") from None
    except ValueError as error:
        raise Broken(f"{server.place} cannot be asked in the name {harmless(server.name, 80)}: {error}") from None
    except OSError as error:
        raise Broken(f"no connection to {server.place}: {harmless(error.strerror or str(error), 200)}") from None
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        await writer.drain()
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        if size < 12:
            raise Malformed(f"it has {size} bytes, and a header alone has 12")
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        if error.expected == 2:
            raise Broken("the server closed the connection without an answer") from None
        got = len(error.partial)
        raise Broken(f"the server closed the connection after {got} of {error.expected} bytes") from None
    except (OSError, ssl.SSLError) as error:
        raise Broken(f"the connection broke: {harmless(getattr(error, 'strerror', None) or str(error), 200)}") from None
    finally:
        # A polite close would wait for the server.
        writer.transport.abort()


def certificate_trouble(error: BaseException, server: Server) -> str:
    """Why a certificate was refused, in a sentence; '' when the error is another one. Looks through its causes."""
    cause: BaseException | None = error
    for _ in range(8):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate does not hold for {server.name}: {harmless(cause.verify_message, 200)}"
        cause = cause and (cause.__cause__ or cause.__context__)
    return ""
