"""A TLS handshake under a name, at an address; a certificate that does not hold is shown all the same."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time

from cockpit.clock import Clock
from cockpit.events import Certificate
from cockpit.plan.target import Target
from cockpit.probes.certificates import chain_of, describe
from cockpit.probes.http.facts import certificate_facts
from cockpit.probes.plain.tcp import connect, reason
from cockpit.probes.seen import Seen, since
from cockpit.text import harmless

HANDSHAKE = 1 << 18
"""Bytes that a server may send until its handshake is done; a long chain takes a tenth of it."""


class TlsProber:
    """Shakes hands. Holds one context for each file of authorities, made off the loop. Make one for each event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._making = asyncio.Lock()

    async def probe(self, target: Target, address: str, timeout: float, ca: str = "") -> Seen:
        """A handshake with `address` for `target.name`, verified against the authorities of `ca` (a file; '' for the
        system's). When the certificate does not hold, another handshake without verification fetches it, so that it can be
        shown. Never raises for what the server does."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                seen = await self._shaken(target, address, ca)
        except TimeoutError:
            return Seen(ok=False, detail=f"no handshake within {timeout:g} s", via=address, ms=since(began))
        except ssl.SSLError as error:
            return Seen(ok=False, detail=f"no handshake: {said(error)}", via=address, ms=since(began))
        except OSError as error:
            return Seen(ok=False, detail=f"no handshake: {reason(error)}", via=address, ms=since(began))
        except ValueError as error:
            return Seen(ok=False, detail=f"no handshake: {harmless(str(error), 200)}", via=address, ms=since(began))
        return Seen(
            ok=seen.ok,
            ms=since(began),
            detail=seen.detail,
            via=address,
            facts=seen.facts,
            certificate=seen.certificate,
        )

    async def _shaken(self, target: Target, address: str, ca: str) -> Seen:
        try:
            version, chain = await _handshake(await self.context(ca), target, address)
        except ssl.SSLCertVerificationError as error:
            shown = await self._shown(target, address, error)
            detail = f"the certificate does not hold: {shown.problem}"
            return Seen(ok=False, detail=detail, certificate=shown, facts=certificate_facts(shown))
        shown = describe(chain, target.name, self._clock.utc()) or Certificate(problem="it showed none")
        what = f"{version}, {', '.join(shown.names[:2]) or 'no name'}, {shown.days:.0f} days left"
        return Seen(ok=True, detail=what, certificate=shown, facts=certificate_facts(shown) | {"tls": version})

    async def _shown(self, target: Target, address: str, error: ssl.SSLCertVerificationError) -> Certificate:
        """What a server shows whose certificate does not hold. Nothing is said to it but the handshake."""
        chain: tuple[bytes, ...] = ()
        with contextlib.suppress(OSError, ValueError):
            _, chain = await _handshake(await self.context("", verify=False), target, address)
        found = describe(chain, target.name, self._clock.utc(), error)
        return found or Certificate(problem=harmless(error.verify_message or str(error), 200))

    async def context(self, ca: str = "", *, verify: bool = True) -> ssl.SSLContext:
        """The context for a file of authorities. Raises OSError, ssl.SSLError when it cannot be read."""
        async with self._making:
            made = self._contexts.get((ca, verify))
            if made is None:
                # Reading the authorities takes 40 ms: never on the loop.
                made = await asyncio.to_thread(_context, ca, verify)
                self._contexts[ca, verify] = made
        return made


def _context(ca: str, verify: bool) -> ssl.SSLContext:
    if verify:
        return ssl.create_default_context(cafile=ca or None)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


async def _handshake(context: ssl.SSLContext, target: Target, address: str) -> tuple[str, tuple[bytes, ...]]:
    """(protocol version, chain in DER as the server sent it)."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = context.wrap_bio(incoming, outgoing, server_hostname=target.name)
    heard = 0
    with await connect(address, target.port) as link:
        while True:
            try:
                talk.do_handshake()
                break
            except ssl.SSLWantReadError:
                await loop.sock_sendall(link, outgoing.read())
            piece = await loop.sock_recv(link, 16384)
            heard += len(piece)
            if not piece:
                raise ValueError("the server closed in the middle of it")
            if heard > HANDSHAKE:
                raise ValueError(f"the server sent more than {HANDSHAKE} bytes and was not done")
            incoming.write(piece)
        return str(talk.version()), chain_of(talk)


def said(error: ssl.SSLError) -> str:
    """What OpenSSL says, without its file and line."""
    words = (error.reason or "").replace("_", " ").lower()
    return harmless(words or str(error), 120)
