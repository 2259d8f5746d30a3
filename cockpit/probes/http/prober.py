"""One request for a real URL, with the connection pinned to an address underneath.

The URL keeps its name (Host, SNI, certificate check); only where the bytes go is fixed. Every request has a connection of its
own and no pool: a kept connection would be reused for a name it was never checked for (RFC 9113 §9.1.1), and Alt-Svc (RFC 7838)
has nobody to listen to it. The environment (proxies, .netrc) is never read, because nothing here reads it.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Mapping
from contextlib import aclosing
from functools import lru_cache
from types import MappingProxyType

import h2.exceptions
import h11
import httpcore
import httpx
import msgspec

from cockpit.clock import Clock, SystemClock
from cockpit.events.world import Certificate
from cockpit.plan.base import Vantage
from cockpit.plan.watched import Expect
from cockpit.probes.certificates import chain_of, describe, shown
from cockpit.probes.http.content import BODY_LIMIT, Body, Measured, text_of, title_of
from cockpit.probes.http.contexts import Contexts
from cockpit.probes.http.exchange import Reply, Request, ask
from cockpit.probes.http.facts import certificate_facts, facts_of
from cockpit.probes.http.judge import unmet
from cockpit.probes.http.pin import Broken, NoConnection, Pin
from cockpit.probes.http.seen import Seen
from cockpit.text import harmless

REDIRECTS = 5
HEADERS = 1000
"""Header lines of an answer; servers themselves stop at about a hundred."""
VALUE = 4096
"""Characters kept of one header."""
TURN = 64
"""Pieces of a body after which everything else has its turn."""
NOTHING: Mapping[str, Mapping[str, str]] = MappingProxyType({})
_KNOWN_CERTIFICATES = 256


class HttpProber:
    """Asks URLs at addresses. Make one for each event loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._contexts = Contexts()
        self._certificates: dict[tuple[bytes, str], Certificate | None] = {}

    async def get(
        self,
        url: str,
        address: str,
        expect: Expect,
        timeout: float,
        *,
        method: str = "GET",
        body: bytes = b"",
        http2: bool = False,
        ca: str = "",
        at: Vantage = "world",
        others: Mapping[str, Mapping[str, str]] = NOTHING,
        limit: int = BODY_LIMIT,
        measure: int = 0,
    ) -> Seen:
        """Ask `url` at `address`, within `timeout` seconds in all. Redirects are followed to the same name only, at the same
        address; cookies last for that chain. `http2` offers HTTP/2, `ca` is a file of authorities, `others` are the facts that
        other vantages saw, for conditions. With `measure` the body is not kept but hashed, up
        to so many bytes. Never raises for what the server does."""
        asking = _Asking(self, url, address, method, body, http2, ca, limit, measure)
        try:
            async with asyncio.timeout(timeout):
                await asking.run(follow=not 300 <= expect.status < 400)
            trouble = asking.trouble
        except TimeoutError:
            return asking.seen(Seen(ok=False, detail=asking.late(timeout), stalled=True))
        except NoConnection as error:
            return await self._refused(asking, error, timeout)
        except (Broken, h11.ProtocolError, httpcore.ProtocolError, h2.exceptions.H2Error) as error:
            return asking.seen(Seen(ok=False, detail=f"the server broke off: {_words(error)}"))
        except Exception as error:  # Parsers of four libraries raise what they like for what a server may send.
            return asking.seen(Seen(ok=False, detail=harmless(str(error) or type(error).__name__, 200)))
        seen = asking.answer()
        facts = facts_of(seen, hashlib.sha256(seen.raw).hexdigest()[:32], asking.connect_ms(), asking.tls())
        why = trouble or unmet(expect, seen, facts, at, others)
        return msgspec.structs.replace(seen, ok=not why, detail=why or f"status {seen.status}", facts=facts)

    async def _refused(self, asking: _Asking, error: NoConnection, timeout: float) -> Seen:
        """No connection; for a certificate that does not hold, with what it says."""
        wrong = asking.pin.tls_error if asking.pin is not None else None
        closed = isinstance(error.__cause__, ConnectionRefusedError)
        seen = asking.seen(Seen(ok=False, detail=f"no connection: {_words(error)}", closed=closed))
        left = timeout - seen.ms / 1000
        if not isinstance(wrong, ssl.SSLCertVerificationError) or left <= 0:
            return seen
        at = _url(asking.at)
        found = await shown(asking.address, at.port or 443, at.raw_host.decode("ascii"), left, self._clock.utc(), wrong)
        if found is None:
            return seen
        detail = f"no connection: certificate: {found.problem}"
        facts = {"via": asking.address} | certificate_facts(found)
        return asking.seen(msgspec.structs.replace(seen, detail=detail, certificate=found, facts=facts))

    async def context(self, ca: str, http2: bool) -> ssl.SSLContext:
        """The TLS context for a file of authorities ('' for the system's). Raises OSError and ssl.SSLError for the file."""
        return await self._contexts.trusting(ca, http2)

    def certificate(self, tls: ssl.SSLObject, name: str) -> Certificate | None:
        """What a trusted connection showed. Reading it costs as much as the request, so it is kept by its bytes."""
        chain = chain_of(tls)
        if not chain:
            return None
        # The same certificate may come with another chain: a renewed intermediate, or one that is missing.
        own = hashlib.sha256(b"".join(len(der).to_bytes(4, "big") + der for der in chain)).digest()
        if (own, name) not in self._certificates:
            if len(self._certificates) >= _KNOWN_CERTIFICATES:
                self._certificates.clear()
            self._certificates[own, name] = describe(chain, name, self._clock.utc())
        known = self._certificates[own, name]
        if known is None:
            return None
        return msgspec.structs.replace(known, days=round((known.until - self._clock.utc()) / 86400, 2))


class _Asking:
    """One chain of requests at one address: where it stands, so that an end at any moment can say how far it came."""

    def __init__(
        self,
        prober: HttpProber,
        url: str,
        address: str,
        method: str,
        body: bytes,
        http2: bool,
        ca: str,
        limit: int,
        measure: int,
    ) -> None:
        self._prober = prober
        self.at, self.address = url, address
        self._method, self._body, self._http2, self._ca, self._limit = method, body, http2, ca, limit
        self._measure = measure
        self._began = time.monotonic()
        self._cookies = httpx.Cookies()
        self._redirects: list[str] = []
        self._answer = Seen(ok=False)
        self.pin: Pin | None = None
        self._asked, self._first = self._began, 0.0
        self.trouble = ""

    async def run(self, follow: bool) -> None:
        """Follow the chain to its end; `trouble` says why its end is none. Raises what the libraries raise."""
        url = _url(self.at)
        name = url.host
        while True:
            where = await self._once(url)
            if not follow or where is None:
                return
            self._redirects.append(harmless(str(where), 500))
            if where.scheme not in {"http", "https"} or where.host != name:
                self.trouble = f"redirects out of the pin, to {harmless(str(where), 120)}"
                return
            if len(self._redirects) > REDIRECTS:
                self.trouble = f"more than {REDIRECTS} redirects"
                return
            if self._answer.status not in {307, 308} and self._method != "HEAD":
                self._method, self._body = "GET", b""
            url, self.at = where, str(where)

    async def _once(self, url: httpx.URL) -> httpx.URL | None:
        """One request on a connection of its own. Where it redirects to, if anywhere."""
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(f"{harmless(str(url), 120)} is no http or https URL")
        context = await self._prober.context(self._ca, self._http2) if url.scheme == "https" else None
        self._asked = time.monotonic()
        self.pin = pin = Pin(self.address)
        port = url.port or (443 if context is not None else 80)
        request = Request(
            self._method, url.raw_scheme, url.netloc, url.raw_host, port, url.raw_path, self._headers(url), self._body
        )
        try:
            await pin.connect(port)
            if context is not None:
                await pin.secure(context, url.raw_host.decode("ascii"))
            reply = await ask(pin, request)
            # In HTTP/2 the first bytes are the server's settings, long before it answers.
            self._first = time.monotonic() if pin.http2 else pin.first
            return await self._take(url, reply)
        finally:
            pin.drop()

    def _headers(self, url: httpx.URL) -> list[tuple[bytes, bytes]]:
        # What is hashed as it is sent must not depend on how each server packs.
        packing = b"identity" if self._measure else b"gzip, deflate"
        headers = [(b"User-Agent", b"cockpit-probe"), (b"Accept", b"*/*"), (b"Accept-Encoding", packing)]
        if len(self._cookies):
            asked = httpx.Request("GET", url)
            self._cookies.set_cookie_header(asked)
            if "cookie" in asked.headers:
                headers.append((b"Cookie", asked.headers["cookie"].encode("latin-1", "replace")))
        return headers

    async def _take(self, url: httpx.URL, reply: Reply) -> httpx.URL | None:
        assert self.pin is not None
        # Left early, the body would be closed by the garbage collector, at some later time and in a task of its own.
        async with aclosing(reply.pieces) as pieces:
            if len(reply.headers) > HEADERS:
                raise ValueError(f"the answer has {len(reply.headers)} headers; more than {HEADERS} are not read")
            headers = tuple((_clean(name, 100).lower(), _clean(value, VALUE)) for name, value in reply.headers)
            named = dict(reversed(headers))
            self._answer = Seen(ok=False, status=reply.status, headers=headers)
            body = Body(named.get("content-encoding", ""), self._limit)
            measured = Measured(self._measure)
            taking = measured if self._measure else body
            async for piece in pieces:
                if not taking.add(piece):
                    break
                if taking.pieces % TURN == 0:
                    await asyncio.sleep(0)
        raw, tls = body.done(), self.pin.tls
        text = text_of(raw, named.get("content-type", "")) if body.readable else ""
        self._answer = Seen(
            ok=False,
            status=reply.status,
            ttfb=_ms(self._began, self._first),
            bridged="via" in named,
            version=reply.version,
            url=harmless(str(url), 500),
            headers=headers,
            title=title_of(text),
            body=text,
            raw=raw,
            size=measured.size if self._measure else len(raw),
            cut=taking.cut,
            packed=not body.readable,
            measured=measured.digest() if self._measure else "",
            certificate=self._prober.certificate(tls, url.raw_host.decode("ascii")) if tls is not None else None,
        )
        if "set-cookie" in named:
            asked = httpx.Request("GET", url)
            self._cookies.extract_cookies(httpx.Response(reply.status, headers=reply.headers, request=asked))
        if reply.status in {301, 302, 303, 307, 308} and "location" in named:
            return url.join(named["location"])
        return None

    def answer(self) -> Seen:
        """The last answer, with the whole chain's times."""
        return self.seen(self._answer)

    def seen(self, last: Seen) -> Seen:
        """`last` as the end of this chain."""
        return msgspec.structs.replace(
            last, ms=_ms(self._began, time.monotonic()), via=self.address, redirects=tuple(self._redirects)
        )

    def late(self, timeout: float) -> str:
        """What was missing when the time was over."""
        answer, pin = self._answer, self.pin
        if answer.status and not answer.version:
            return f"status {answer.status}, but no end of the body within {timeout:g} s"
        if pin is not None and pin.first and not pin.http2 and not answer.status:
            return f"no end of the headers within {timeout:g} s"
        return f"no answer within {timeout:g} s"

    def connect_ms(self) -> float:
        """Milliseconds until TCP and TLS were there, of the last request."""
        return _ms(self._asked, max(self.pin.connected, self.pin.secured)) if self.pin is not None else 0.0

    def tls(self) -> str:
        """The version of TLS, '' without."""
        return (self.pin.tls.version() or "") if self.pin is not None and self.pin.tls is not None else ""


@lru_cache(maxsize=4096)
def _url(text: str) -> httpx.URL:
    """A plan asks the same few URLs all night. Raises httpx.InvalidURL."""
    return httpx.URL(text)


def _clean(value: bytes, limit: int) -> str:
    """A name or a value of a header, harmless."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return harmless(text, limit)


def _words(error: Exception) -> str:
    text = harmless(str(error).strip(), 200)
    if "buffer too long" in text:
        return "its headers are longer than 100 KB"
    return text or type(error).__name__


def _ms(began: float, until: float) -> float:
    return round(max(0.0, until - began) * 1000, 2) if until else 0.0
