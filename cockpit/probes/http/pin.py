"""The connection below a request: it goes to one fixed address, whatever name is asked for, and notes when it got how far."""

from __future__ import annotations

import asyncio
import os
import ssl
import time

HELD = 64 * 1024
"""Bytes that wait here for the parser before the server is made to wait."""
AT_ONCE = 16 * 1024
"""Bytes that the parser gets between two turns of the loop: a flood of tiny pieces takes 40 ms of it, not more."""


class NoConnection(Exception):
    """TCP or TLS was not to be had; the text says why."""


class Broken(Exception):
    """The connection ended where it should not; the text says how."""


class Pin(asyncio.Protocol):
    """One connection to one address. Good for one request."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.connected = 0.0
        """When TCP was there, TLS, and the first byte of an answer: monotonic seconds, 0 for not yet."""
        self.secured = 0.0
        self.first = 0.0
        self.tls: ssl.SSLObject | None = None
        self.tls_error: ssl.SSLError | None = None

    @property
    def http2(self) -> bool:
        """Whether both sides chose HTTP/2."""
        return self.tls is not None and self.tls.selected_alpn_protocol() == "h2"

    async def connect(self, port: int) -> None:
        """Raises NoConnection."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, self._address, port)
        except OSError as error:
            raise NoConnection(_said(error)) from error
        self.connected = time.monotonic()

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """TLS under `name`, which is asked for (SNI) and checked. Raises NoConnection, and keeps what TLS said of it."""
        assert self._transport is not None
        try:
            secured = await asyncio.get_running_loop().start_tls(self._transport, self, context, server_hostname=name)
        except ssl.SSLError as error:
            self.tls_error = error
            raise NoConnection(_said(error)) from error
        except OSError as error:
            raise NoConnection(f"TLS: {_said(error)}") from error
        if secured is None:
            raise NoConnection("TLS: the server closed the connection")
        self._transport = secured
        self.secured = time.monotonic()
        self.tls = secured.get_extra_info("ssl_object")

    async def read(self) -> bytes:
        """What came, b'' at the end. Always lets the loop turn, so that a server which never pauses cannot hold it. Raises
        Broken."""
        if self._held or self._ended:
            await asyncio.sleep(0)
        while not self._held and not self._ended:
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        if not self._held and self._error is not None:
            raise Broken(_said(self._error)) from self._error
        data = bytes(self._held[:AT_ONCE])
        del self._held[:AT_ONCE]
        if len(self._held) <= HELD and not self._ended and self._transport is not None:
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Raises Broken."""
        assert self._transport is not None
        if self._ended and self._error is not None:
            raise Broken(_said(self._error)) from self._error
        self._transport.write(data)
        if self._room is not None:
            await self._room

    def drop(self) -> None:
        """End the connection now. Nothing waits for a server that does not say goodbye."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.first:
            self.first = time.monotonic()
        self._held += data
        if len(self._held) > HELD and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._news)

    def eof_received(self) -> bool:
        self._ended = True
        _wake(self._news)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        self.resume_writing()
        _wake(self._news)

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        _wake(room)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _said(error: Exception) -> str:
    """What the system says of it, without Python's words around it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
