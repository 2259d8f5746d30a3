"""One connection to a mail server: lines with limits, and TLS begun in the middle of it.

TLS runs over memory buffers here, not in asyncio's streams, so that not one byte that came before the handshake can count as
said behind it (the injection of CVE-2011-0411), and so that the certificate of a failed handshake can be looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cockpit.events import Certificate
from cockpit.probes.certificates import chain_of, describe
from cockpit.probes.mail.tls import context_of, unchecked
from cockpit.text import harmless

LINE = 4096
"""Bytes of one line at the most: eight times what SMTP allows (RFC 5321 §4.5.3.1.5)."""
LINES = 200
"""Lines of one reply at the most."""
WHOLE = 1 << 18
"""Bytes of a conversation at the most."""
_CHUNK = 1 << 14
_GOODBYE = 1.0
"""Seconds that a server has to answer the last command."""


class Broken(Exception):
    """The conversation cannot go on; the text says why."""


class BadCertificate(Broken):
    """The handshake failed on the certificate; `error` is the library's own word for it."""

    def __init__(self, error: ssl.SSLCertVerificationError) -> None:
        super().__init__(f"the certificate does not hold: {harmless(error.verify_message, 200)}")
        self.error = error


class Wire:
    """Use `dialled`. Methods raise Broken, OSError and EOFError for what the server does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._seen = bytearray()
        self._whole = 0
        self._tls: ssl.SSLObject | None = None
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._chain: tuple[bytes, ...] = ()
        self._name = ""

    def certificate(self, error: ssl.SSLError | None = None) -> Certificate | None:
        """The certificate that the server showed; `error` is what a handshake that checked it said. None without TLS."""
        return describe(self._chain, self._name, time.time(), error)

    @property
    def tls(self) -> str:
        """The version of TLS that is spoken, '' for none."""
        return (self._tls.version() or "") if self._tls is not None else ""

    @property
    def local(self) -> str:
        """Our own address in this connection."""
        return str((self._writer.get_extra_info("sockname") or ("",))[0])

    async def line(self) -> str:
        """The next line without its end. It is UTF-8, as our own words are, so that a password which comes back is known again;
        other bytes are kept as surrogates."""
        while (end := self._seen.find(b"\n")) < 0:
            if len(self._seen) > LINE:
                raise Broken(f"it sent a line of more than {LINE} bytes")
            self._seen += await self._more()
        if end > LINE:
            raise Broken(f"it sent a line of more than {LINE} bytes")
        line = bytes(self._seen[:end]).removesuffix(b"\r")
        del self._seen[: end + 1]
        return line.decode("utf-8", "surrogateescape")

    async def say(self, line: str) -> None:
        """Send one line. Raises Broken for text that would be more than one."""
        if "\r" in line or "\n" in line or "\0" in line:
            raise Broken("a value of the plan holds a line break: it was not sent")
        await self.send(line.encode() + b"\r\n")

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._out.read()
        self._writer.write(data)
        await self._writer.drain()

    async def encrypt(self, context: ssl.SSLContext, name: str) -> None:
        """Begin TLS under `name`. Raises BadCertificate, and Broken when the server said anything behind its go-ahead."""
        if self._seen:
            raise Broken("it sent more in plain text behind its go-ahead to TLS: that could be anybody's")
        tls = context.wrap_bio(self._in, self._out, server_hostname=name or None)
        try:
            await self._handshake(tls)
        except ssl.SSLCertVerificationError as error:
            raise BadCertificate(error) from error
        except ssl.SSLError as error:
            why = (error.reason or str(error)).replace("_", " ").lower()
            raise Broken(f"TLS could not begin: {harmless(why, 120)}") from error
        self._tls = tls
        self._chain = chain_of(tls)
        self._name = name

    async def _handshake(self, tls: ssl.SSLObject) -> None:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                self._in.write(await self._raw())
            except ssl.SSLError:
                await self._flush()  # The other side learns why.
                raise
        await self._flush()

    async def _flush(self) -> None:
        if data := self._out.read():
            self._writer.write(data)
            await self._writer.drain()

    async def _more(self) -> bytes:
        """The next bytes that were said."""
        if self._tls is None:
            return await self._raw()
        while True:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                self._in.write(await self._raw())
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                raise EOFError from None
            except ssl.SSLError as error:
                raise Broken(f"TLS broke off: {harmless(error.reason or str(error), 120)}") from error
            if not data:
                raise EOFError
            return data

    async def _raw(self) -> bytes:
        data = await self._reader.read(_CHUNK)
        if not data:
            raise EOFError
        self._whole += len(data)
        if self._whole > WHOLE:
            raise Broken(f"it sent more than {WHOLE >> 10} KiB")
        return data

    def close(self) -> None:
        """End it at once; nothing waits for the other side."""
        self._writer.transport.abort()


@asynccontextmanager
async def dialled(address: str, port: int) -> AsyncIterator[Wire]:
    """A connection that ends with the block. Raises Broken when there is none."""
    try:
        reader, writer = await asyncio.open_connection(address, port, limit=_CHUNK)
    except (OSError, ValueError, OverflowError) as error:
        why = getattr(error, "strerror", "") or str(error)
        raise Broken(f"no connection: {harmless(str(why), 120)}") from error
    wire = Wire(reader, writer)
    try:
        yield wire
    finally:
        wire.close()


@asynccontextmanager
async def goodbye() -> AsyncIterator[None]:
    """Around the last command: what comes of it makes no difference, and takes no longer than a moment."""
    with contextlib.suppress(Broken, EOFError, OSError):  # TimeoutError is an OSError.
        async with asyncio.timeout(_GOODBYE):
            yield


async def encrypted(wire: Wire, ca: str, name: str) -> None:
    """TLS on the wire, checked against `name` by the authorities in `ca` ('' for the system's)."""
    try:
        context = await context_of(ca)
    except (OSError, ValueError) as error:
        raise Broken(f"the authorities in {ca or 'the system'} cannot be read: {error}") from error
    await wire.encrypt(context, name)


async def encrypted_anyhow(wire: Wire, name: str = "") -> None:
    """TLS on the wire under `name`, with whatever certificate it shows."""
    await wire.encrypt(unchecked(), name)
