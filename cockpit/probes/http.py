"""One GET of a real URL, with the connection pinned to an address underneath. The only module that knows httpx.

The URL keeps its name (Host, SNI, certificate check); only where the bytes go is fixed, below the pool. Every request has a
connection of its own: a kept one would be reused for a name it was never checked for.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpcore
import httpx
import msgspec

from cockpit.plan.model import Expect
from cockpit.text import harmless

BODY_LIMIT = 1 << 20
REDIRECTS = 5


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a GET saw. `status` is 0 when nothing answered; `detail` says why it is not `ok`."""

    ok: bool
    status: int = 0
    ms: float = 0.0
    detail: str = ""
    via: str = ""
    bridged: bool = False
    body: str = ""


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to a fixed address, whatever name is asked for."""

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


class HttpProber:
    """Asks URLs at addresses. Make one for each event loop."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | bool | None = None
        self._making = asyncio.Lock()

    async def get(
        self, url: str, address: str, expect: Expect, timeout: float, allow: frozenset[str] = frozenset()
    ) -> Seen:
        """GET `url` at `address`. Redirects are followed to the same name only, inside the pin. Never raises for what the
        server does. Durations in milliseconds."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                seen = await self._get(url, address, expect)
        except TimeoutError:
            return Seen(ok=False, detail=f"no answer within {timeout:g} s", via=address, ms=_ms(began))
        except httpx.HTTPError as error:
            return Seen(ok=False, detail=_why(error), via=address, ms=_ms(began))
        except (OSError, ValueError, LookupError) as error:
            return Seen(ok=False, detail=harmless(str(error), 200), via=address, ms=_ms(began))
        return msgspec.structs.replace(seen, ms=_ms(began), via=address)

    async def _get(self, url: str, address: str, expect: Expect) -> Seen:
        context = await self._tls() if url.startswith("https") else False
        transport = httpx.AsyncHTTPTransport(
            verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        # httpx offers no way to hand in a network backend; its pool has one.
        transport._pool._network_backend = _Pinned(address)
        host = urlsplit(url).hostname
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=None) as client:
            at = url
            for _ in range(REDIRECTS + 1):
                async with client.stream("GET", at, headers={"User-Agent": "cockpit-probe"}) as response:
                    body = bytearray()
                    async for chunk in response.aiter_bytes():
                        body += chunk[: BODY_LIMIT - len(body)]
                        if len(body) >= BODY_LIMIT:
                            break
                    following = response.is_redirect and not 300 <= expect.status < 400
                    if following and response.next_request is not None:
                        if response.next_request.url.host != host:
                            where = harmless(str(response.next_request.url), 120)
                            return Seen(
                                ok=False, status=response.status_code, detail=f"redirects out of the pin, to {where}"
                            )
                        at = str(response.next_request.url)
                        continue
                    return _judge(response, bytes(body), expect)
        return Seen(ok=False, detail=f"more than {REDIRECTS} redirects")

    async def _tls(self) -> ssl.SSLContext | bool:
        async with self._making:
            if self._context is None:
                # Reading the authorities takes 40 ms: never on the loop.
                self._context = await asyncio.to_thread(ssl.create_default_context)
        return self._context


def _judge(response: httpx.Response, body: bytes, expect: Expect) -> Seen:
    text = _text(response, body)
    detail = ""
    if expect.status and response.status_code != expect.status:
        detail = f"status {response.status_code}, not {expect.status}"
    elif expect.body and expect.body not in text:
        detail = f"status {response.status_code}, but the body lacks {expect.body!r}"
    else:
        for name, value in expect.header.items():
            found = response.headers.get(name, "")
            if value not in found:
                detail = f"header {name} is {harmless(found, 80)!r}, not {value!r}"
    return Seen(
        ok=not detail,
        status=response.status_code,
        detail=detail or f"status {response.status_code}",
        bridged="via" in response.headers,
        body=text,
    )


def _text(response: httpx.Response, body: bytes) -> str:
    try:
        return body.decode(response.encoding or "utf-8", "replace")
    except LookupError:  # The server names an encoding that is none.
        return body.decode("utf-8", "replace")


def _why(error: httpx.HTTPError) -> str:
    text = harmless(str(error).strip(), 200)
    match error:
        case httpx.ConnectError():
            return f"no connection: {text or 'refused'}"
        case httpx.RemoteProtocolError():
            return f"the server broke off: {text}"
        case _:
            return text or type(error).__name__


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
