"""Questions over HTTPS (RFC 8484): one POST, with the connection pinned to the resolver's address underneath the URL."""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
from collections.abc import Iterable

import httpcore

from cockpit.probes.dns.servers import Server
from cockpit.probes.dns.streams import Broken, certificate_trouble
from cockpit.probes.dns.wire import Malformed
from cockpit.text import harmless

KIND = "application/dns-message"
LIMIT = 65535
"""Bytes of a message."""


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to one address, whatever name the URL has."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._real.connect_tcp(self._address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def ask_https(server: Server, wire: bytes, context: ssl.SSLContext | None) -> bytes:
    """Send a message and get the next one, by HTTP/2 where the server speaks it. A redirect is not followed. The caller limits
    the time. Raises Broken and Malformed."""
    pool = httpcore.AsyncConnectionPool(
        ssl_context=context,
        http2=importlib.util.find_spec("h2") is not None,
        network_backend=_Pinned(server.address),
        max_keepalive_connections=0,
    )
    headers = [("Accept", KIND), ("Content-Type", KIND), ("User-Agent", "cockpit-probe")]
    try:
        async with pool, pool.stream("POST", server.url, headers=headers, content=wire) as response:
            if response.status != 200:
                raise Broken(f"the server answered with HTTP status {response.status}")
            kind = next((value for name, value in response.headers if name.lower() == b"content-type"), b"")
            if kind.partition(b";")[0].strip().lower() != KIND.encode():
                raise Broken(f"the server answered with {harmless(kind, 80) or 'no type'}, not with {KIND}")
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk[: LIMIT + 1 - len(body)]
                if len(body) > LIMIT:
                    raise Malformed(f"it is longer than {LIMIT} bytes")
            return bytes(body)
    except httpcore.ConnectError as error:
        raise Broken(certificate_trouble(error, server) or _said(f"no connection to {server.place}", error)) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise Broken(_said("the server broke off", error)) from None
    except (OSError, ValueError) as error:
        raise Broken(_said("HTTPS failed", error)) from None


def _said(what: str, error: Exception) -> str:
    said = harmless(str(error), 200)
    return f"{what}: {said}" if said else what
