"""The lab's name servers: a primary that takes signed updates, secondaries that lag behind it, resolvers that cache."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
import time
from collections.abc import Hashable, Iterable

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from cockpit.lab.wire import DnsServer, ask, ask_tcp
from cockpit.lab.zone import NEGATIVE_TTL, Zone, answer

CACHE = 5000
POLL = 0.4
"""Seconds at least between two looks of a secondary at its primary."""
STALE_TTL = 3
"""The TTL that a resolver gives a stale answer, seconds (RFC 8767 suggests 30; the demo is short)."""


class Primary:
    """Holds the zones. Each zone takes updates that are signed with its own key only."""

    def __init__(self, address: str, port: int, zones: dict[str, Zone], keys: dict[str, dns.tsig.Key]) -> None:
        self.zones = {zone.origin: zone for zone in zones.values()}
        self._owner = {zone.origin: keys[name].name for name, zone in zones.items()}
        self.server = DnsServer(
            "dns primary", address, port, self._reply, {key.name: key for key in keys.values()}, self._version
        )
        self.changed = asyncio.Event()
        self.updates = 0

    def _version(self, _: bytes) -> Hashable:
        return _revisions(self.zones.values())

    async def _reply(self, message: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        if isinstance(message, dns.update.UpdateMessage):
            return self._update(message)
        response = _transfer(list(self.zones.values()), message, tcp)
        return response or answer(list(self.zones.values()), message)

    def _update(self, message: dns.update.UpdateMessage) -> dns.message.Message:
        response = dns.message.make_response(message)
        zone = self.zones.get(message.zone[0].name) if len(message.zone) == 1 else None
        if zone is None:
            response.set_rcode(dns.rcode.NOTAUTH)
        elif not message.had_tsig or message.keyname != self._owner[zone.origin]:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            code, changed = zone.update(message)
            response.set_rcode(code)
            if changed:
                self.updates += 1
                self.changed.set()
        return response


class Secondary:
    """Copies the primary's zones by AXFR when it sees a new serial, `lag` seconds after it looked."""

    def __init__(
        self, name: str, address: str, port: int, primary: tuple[str, int], origins: list[str], lag: float
    ) -> None:
        self._primary = primary
        self._lag = lag
        self.zones = [Zone(origin, "primary.invalid.", 0) for origin in origins]
        self.server = DnsServer(name, address, port, self._reply, version=self._version)

    def _version(self, _: bytes) -> Hashable:
        return _revisions(self.zones)

    async def _reply(self, message: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        response = dns.message.make_response(message)
        if message.opcode() == dns.opcode.NOTIFY and message.question:
            return await self._notified(message, response)
        if message.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        loaded = [zone for zone in self.zones if zone.serial]
        return _transfer(loaded, message, tcp) or answer(loaded, message)

    async def _notified(self, message: dns.message.Message, response: dns.message.Message) -> dns.message.Message:
        """Transfer at once what has changed (RFC 1996); the answer says whether that could be done."""
        zone = next((zone for zone in self.zones if zone.origin == message.question[0].name), None)
        if zone is None:
            response.set_rcode(dns.rcode.NOTAUTH)
            return response
        try:
            await self.refresh(zone, lag=0.0)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, dns.exception.DNSException):
            response.set_rcode(dns.rcode.SERVFAIL)
        return response

    async def follow(self) -> None:
        """Poll the primary for ever; what fails is tried again."""
        while True:
            for zone in self.zones:
                with contextlib.suppress(
                    OSError, TimeoutError, asyncio.IncompleteReadError, dns.exception.DNSException
                ):
                    await self.refresh(zone)
            await asyncio.sleep(max(self._lag / 2, POLL))

    async def refresh(self, zone: Zone, lag: float | None = None) -> None:
        """Compare serials and transfer. Raises OSError, TimeoutError, IncompleteReadError or DNSException."""
        await self.server.thawed.wait()
        soa = await ask(dns.message.make_query(zone.origin, "SOA"), *self._primary)
        if not soa.answer or next(iter(soa.answer[0])).serial == zone.serial:
            return
        if zone.serial:
            await asyncio.sleep(self._lag / 2 if lag is None else lag)
        whole = await ask_tcp(dns.message.make_query(zone.origin, "AXFR"), *self._primary)
        if whole.answer:
            zone.primary = str(next(iter(whole.answer[0])).mname)
            zone.load(whole.answer)


class Resolver:
    """Answers from its cache while the TTL lasts, otherwise asks an authority.

    With `stale_for` it goes on handing out what has expired for so many seconds, with a TTL of 30 (RFC 8767 §4), asks nobody
    meanwhile, and tells those who ask with EDNS (RFC 8914 code 3, Stale Answer).
    """

    def __init__(
        self, name: str, address: str, port: int, authorities: list[tuple[str, int]], stale_for: float = 0.0
    ) -> None:
        self._authorities = itertools.cycle(authorities)
        self._count = len(authorities)
        self._cache: dict[tuple[dns.name.Name, int], tuple[float, dns.message.Message]] = {}
        self._refreshing: dict[tuple[dns.name.Name, int], asyncio.Task[dns.message.Message | None]] = {}
        self._expires: dict[bytes, float] = {}
        """Until when what the cache holds is good, by questions as they come over the wire."""
        self.stale_for = stale_for
        self.server = DnsServer(name, address, port, self._reply, version=self._version)

    def flush(self) -> None:
        """Forget everything."""
        self._cache.clear()
        self._expires.clear()

    def _version(self, question: bytes) -> Hashable | None:
        expires = self._expires.get(question, 0.0)
        left = expires - time.monotonic()
        return (expires, _whole(left)) if left > 0 else None

    async def close(self) -> None:
        """Stop refreshing."""
        for task in list(self._refreshing.values()):
            task.cancel()
        await asyncio.gather(*self._refreshing.values(), return_exceptions=True)

    async def _reply(self, message: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        response = dns.message.make_response(message, recursion_available=True)
        if message.opcode() != dns.opcode.QUERY or len(message.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        key = (message.question[0].name, int(message.question[0].rdtype))
        now = time.monotonic()
        cached = self._cache.get(key)
        if cached is not None and cached[0] > now:
            return self._fill(response, cached[1], cached[0] - now)
        if cached is not None and cached[0] + self.stale_for > now:
            if message.edns >= 0:
                option = dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER)
                response.use_edns(0, message.ednsflags, 1232, options=[option])
            return self._fill(response, cached[1], STALE_TTL)
        if not message.flags & dns.flags.RD:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        running = self._refreshing.get(key)
        if running is None:
            running = asyncio.create_task(self._fetch(key))
            self._refreshing[key] = running
            running.add_done_callback(lambda _: self._refreshing.pop(key, None))
        fresh = await asyncio.shield(running)
        if fresh is None:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        return self._fill(response, fresh, self._cache[key][0] - time.monotonic() if key in self._cache else 0)

    def _fill(self, response: dns.message.Message, known: dns.message.Message, left: float) -> dns.message.Message:
        response.set_rcode(known.rcode())
        ttl = _whole(left)
        for source, target in ((known.answer, response.answer), (known.authority, response.authority)):
            for one in source:
                copy = dns.rrset.from_rdata_list(one.name, min(ttl, one.ttl), list(one))
                target.append(copy)
        return response

    async def _fetch(self, key: tuple[dns.name.Name, int]) -> dns.message.Message | None:
        query = dns.message.make_query(key[0], dns.rdatatype.RdataType.make(key[1]), flags=0)
        for _ in range(self._count):
            try:
                got = await ask(query, *next(self._authorities), timeout=1.5)
            except (OSError, TimeoutError, dns.exception.DNSException):
                continue
            if got.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                continue
            ttl = min((one.ttl for one in got.answer), default=NEGATIVE_TTL)
            if len(self._cache) >= CACHE:
                self.flush()
            expires = time.monotonic() + ttl
            self._cache[key] = (expires, got)
            self._expires[key[0].to_digestable() + struct.pack("!HH", key[1], dns.rdataclass.IN)] = expires
            return got
        return None


def _whole(left: float) -> int:
    """A TTL of what is left, in whole seconds."""
    return max(int(left + 0.999), 0)


def _revisions(zones: Iterable[Zone]) -> Hashable:
    """What an authority's answers depend on."""
    return tuple((zone.serial, zone.revision) for zone in zones)


def _transfer(zones: list[Zone], message: dns.message.Message, tcp: bool) -> dns.message.Message | None:
    """The answer to AXFR and IXFR (a whole zone, which RFC 1995 §4 allows), None for other questions."""
    if not message.question or message.question[0].rdtype not in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
        return None
    response = dns.message.make_response(message)
    zone = next((zone for zone in zones if zone.origin == message.question[0].name), None)
    if zone is None or not tcp:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    response.flags |= dns.flags.AA
    response.answer = zone.everything()
    return response
