"""Asking name servers: one question, one answer, over every transport that a plan can name."""

from __future__ import annotations

import asyncio
import functools
import secrets
import socket
import ssl
import time
from types import TracebackType
from typing import Self

import msgspec

from cockpit.probes.dns.answer import Answer, Link, normal, read, record_data
from cockpit.probes.dns.cache import Parsed
from cockpit.probes.dns.datagrams import Datagrams, Folded, NoAnswer
from cockpit.probes.dns.https import ask_https
from cockpit.probes.dns.servers import Server, endpoint, server_of
from cockpit.probes.dns.streams import Broken, ask_stream
from cockpit.probes.dns.system import System
from cockpit.probes.dns.wire import TC, Malformed, Question, answers, edns, flags_of, header, query, question
from cockpit.text import harmless

__all__ = ["TIMEOUT", "Answer", "Asker", "Link", "ask", "endpoint", "normal", "record_data", "server_of"]

TIMEOUT = 2.0
SOCKETS = 4
"""UDP sockets of each address family. More than one, because networks choose among the caches behind an anycast address by the
port that a question comes from."""
STREAMS = 64
"""Connections at the same time."""
FOLDING, FOLDED = 256, 300.0
"""Servers remembered that do not keep the case of a name, and the seconds for which they are."""
_FORMERR, _NOTIMP = 1, 4

_question = functools.lru_cache(maxsize=4096)(question)
_server = functools.lru_cache(maxsize=1024)(server_of)
_OPT = {False: edns(dnssec=False), True: edns(dnssec=True)}


class Asker:
    """Asks name servers, many questions at the same time. One for each event loop: `async with Asker() as asker`."""

    def __init__(self, ca: str = "") -> None:
        """`ca` is a file with the authorities that sign certificates of DoT and DoH resolvers; '' means the system's."""
        self._ca = ca
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._making = asyncio.Lock()
        self._sockets: dict[bool, list[Datagrams]] = {}
        self._next = 0
        self._streams = asyncio.Semaphore(STREAMS)
        self._system = System()
        self._folding: dict[tuple[str, int], float] = {}
        self._parsed = Parsed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sockets in self._sockets.values():
            for one in sockets:
                one.close()
        self._sockets.clear()

    @property
    def ignored(self) -> int:
        """Datagrams that came and answered no question."""
        return sum(one.ignored for sockets in self._sockets.values() for one in sockets)

    @property
    def outstanding(self) -> int:
        """Questions under way over UDP."""
        return sum(one.outstanding for sockets in self._sockets.values() for one in sockets)

    @property
    def kept(self) -> int:
        """Answers that are kept parsed."""
        return len(self._parsed)

    async def ask(
        self,
        server: str,
        name: str,
        type: str,
        *,
        recurse: bool,
        timeout: float = TIMEOUT,
        checking_disabled: bool = False,
        dnssec: bool = False,
        exact: bool = False,
    ) -> Answer:
        """One question to any server that a plan can name; `timeout` in seconds is for all of it. `exact` gives the values as
        they stand there instead of as they are compared, and follows no alias. Never raises for what the server does: an
        answer without `rcode` says in `trouble` what went wrong."""
        began = time.monotonic()
        try:
            where, what = _server(server), _question(name, type)
        except ValueError as error:
            return Answer(type=type, trouble=harmless(str(error), 200))
        try:
            if where.how == "udp":
                flags = flags_of(recurse=recurse, checking_disabled=checking_disabled)
                answer = await self._datagram(where, what, flags, dnssec, began + timeout, exact)
            else:
                async with asyncio.timeout(timeout):
                    if where.how == "system":
                        answer = await self._system.ask(what)
                    else:
                        flags = flags_of(recurse=recurse, checking_disabled=checking_disabled)
                        answer = await self._stream(where, what, flags, dnssec, exact)
        except Malformed as error:
            answer = Answer(type=type, trouble=f"the answer cannot be used: {error}")
        except (NoAnswer, Broken) as error:
            answer = Answer(type=type, trouble=str(error))
        except TimeoutError:
            answer = Answer(type=type, trouble="no answer in time")
        except OSError as error:
            answer = Answer(type=type, trouble=f"{server} cannot be asked: {error.strerror or error}")
        except ValueError as error:
            # Libraries raise it for names and addresses that they cannot use.
            answer = Answer(type=type, trouble=f"{server} cannot be asked: {harmless(str(error), 200)}")
        return msgspec.structs.replace(answer, ms=round((time.monotonic() - began) * 1000, 2))

    async def _datagram(
        self, server: Server, what: Question, flags: int, dnssec: bool, until: float, exact: bool
    ) -> Answer:
        to = (server.address, server.port)
        opt = _OPT[dnssec]
        cased = self._folding.get(to, 0.0) < time.monotonic()
        while True:
            try:
                wire = await self._socket(server).ask(to, what, flags, opt, until - time.monotonic(), cased=cased)
            except Folded:
                cased = False
                if len(self._folding) >= FOLDING:
                    self._folding.clear()
                self._folding[to] = time.monotonic() + FOLDED
                continue
            if wire[2] & (TC >> 8):
                return await self._cut(server, what, flags, dnssec, until, exact)
            if opt and wire[3] & 0xF in (_FORMERR, _NOTIMP):
                opt = b""
                continue
            return self._read(wire, what, exact)

    async def _cut(self, server: Server, what: Question, flags: int, dnssec: bool, until: float, exact: bool) -> Answer:
        """The answer that did not fit into a datagram (RFC 1035 §4.2.1)."""
        try:
            async with asyncio.timeout(until - time.monotonic()):
                return await self._stream(server, what, flags, dnssec, exact)
        except TimeoutError:
            raise Broken("the answer was cut, and over TCP none came in time") from None
        except Broken as error:
            raise Broken(f"the answer was cut, and over TCP: {error}") from None
        except Malformed as error:
            raise Broken(f"the answer was cut, and the one over TCP cannot be used: {error}") from None

    async def _stream(self, server: Server, what: Question, flags: int, dnssec: bool, exact: bool) -> Answer:
        opt = _OPT[dnssec]
        async with self._streams:
            context = await self._context(server.how) if server.how in {"tls", "https"} else None
            while True:
                # RFC 8484 §4.1: id 0, so that caches between see one question.
                id = bytes(2) if server.how == "https" else secrets.token_bytes(2)
                wire = query(id, flags, what.qname, what.tail, opt)
                answer = await (ask_https if server.how == "https" else ask_stream)(server, wire, context)
                head = header(answer)
                if answer[:2] != id or not answers(_lower(answer, what), what.qname, what.tail):
                    raise Broken("the server answered another question")
                if opt and head.rcode in (_FORMERR, _NOTIMP):
                    opt = b""
                    continue
                if head.flags & TC:
                    raise Broken(f"the answer is cut even over {server.how.upper()}")
                return self._read(answer, what, exact)

    def _read(self, wire: bytes, what: Question, exact: bool) -> Answer:
        # Names in records are cut short to what stands in the question, whose letters have a random case.
        return read(_lower(wire, what), what, exact=True) if exact else self._parsed.read(wire, what)

    def _socket(self, server: Server) -> Datagrams:
        six = ":" in server.address
        sockets = self._sockets.setdefault(six, [])
        if len(sockets) < SOCKETS:
            sockets.append(Datagrams(socket.AF_INET6 if six else socket.AF_INET))
        self._next += 1
        return sockets[self._next % len(sockets)]

    async def _context(self, how: str) -> ssl.SSLContext:
        async with self._making:
            if how not in self._contexts:
                try:
                    # Reading the authorities takes 40 ms: never on the loop.
                    made = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca or None)
                except (OSError, ssl.SSLError) as error:
                    raise Broken(f"the authorities in {self._ca} cannot be read: {error}") from None
                if how == "tls":
                    made.set_alpn_protocols(["dot"])
                self._contexts[how] = made
        return self._contexts[how]


def _lower(wire: bytes, what: Question) -> bytes:
    if wire[4:6] == b"\0\0":  # An error that does not repeat the question.
        return wire
    end = 12 + len(what.qname)
    return wire[:12] + wire[12:end].lower() + wire[end:]


async def ask(server: str, name: str, type: str, *, recurse: bool, timeout: float = TIMEOUT, ca: str = "") -> Answer:
    """One question with sockets of its own; `ca` as of `Asker`. Never raises for what the server does."""
    async with Asker(ca) as asker:
        return await asker.ask(server, name, type, recurse=recurse, timeout=timeout)
