"""What the parent says of a zone: its name servers, their addresses, its keys; and whether the zone itself still says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import dns.dnssec
import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
from msgspec.structs import replace

from cockpit.events import DnsClass, DnsSeen
from cockpit.probes.dns.answer import Answer
from cockpit.probes.dns.classify import why
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.eras import NODATA, NXDOMAIN, Published
from cockpit.probes.dns.teller import Teller

AGAIN = 2.0
"""Seconds between two looks at keys and addresses, where the delegation stays as it is."""


def referred(answer: Answer, name: str, type: str) -> Answer:
    """A parent's answer as if it was asked for what it hands on: the delegation as NS records, glue as addresses (RFC 1034
    §4.3.2). Its own records, where it has them, go first."""
    if answer.values or answer.rcode != "NOERROR":
        return answer
    if type == "NS" and answer.delegation:
        return replace(answer, values=answer.delegation, record_ttl=answer.delegation_ttl, ttl=answer.delegation_ttl)
    family = ":" if type == "AAAA" else "."
    own = name.lower().rstrip(".")
    addresses = tuple(
        sorted(address for server, address in answer.glue if server == own and _family(address) == family)
    )
    if type in {"A", "AAAA"} and addresses:
        return replace(answer, values=addresses, record_ttl=answer.glue_ttl, ttl=answer.glue_ttl)
    return answer


def handed_on(answer: Answer, name: str) -> dict[str, Published] | None:
    """What a parent publishes, as caches keep it; `answer` is `referred`. None when it says nothing of the name."""
    own = name.lower().rstrip(".")
    if answer.values:
        return {own: Published(answer.values, max(answer.record_ttl, 0))}
    if answer.rcode == "NXDOMAIN":
        return {own: Published(NXDOMAIN, max(answer.negative_ttl, 0))}
    if answer.rcode == "NOERROR" and not answer.delegation:
        return {own: Published(NODATA, max(answer.negative_ttl, 0))}
    return None


def same_key(name: str, ds: Iterable[str], keys: Iterable[str]) -> bool:
    """Whether any DS record is of any of the keys (RFC 4034 §5.1.4)."""
    made: set[tuple[str, ...]] = set()
    for text in keys:
        for algorithm in ("SHA1", "SHA256", "SHA384"):
            try:
                key = dns.rdata.from_text("IN", "DNSKEY", text)
                digest = dns.dnssec.make_ds(dns.name.from_text(name), key, algorithm, validating=True)
            except (dns.exception.DNSException, ValueError):
                continue
            made.add(_words(digest.to_text()))
    return any(_words(text) in made for text in ds)


class Delegation:
    """Compares what the parent hands on with what the zone's primary says."""

    def __init__(self, desk: Desk, zone: str) -> None:
        self._desk = desk
        self._zone = zone
        self._flags: dict[str, tuple[float, tuple[tuple[str, str], ...], frozenset[str]]] = {}

    async def flags(self, parent: str, answer: Answer) -> frozenset[str]:
        """`ds-stale`: the parent's DS is of none of the zone's keys. `glue-stale`: the parent gives a name server addresses
        that the zone does not."""
        now = self._desk.clock.monotonic()
        before = self._flags.get(parent)
        if before is not None and now - before[0] < AGAIN and before[1] == answer.glue:
            return before[2]
        found: set[str] = set()
        if await self._other_keys(parent):
            found.add("ds-stale")
        if await self._other_addresses(answer):
            found.add("glue-stale")
        self._flags[parent] = now, answer.glue, frozenset(found)
        return frozenset(found)

    async def names(self) -> tuple[str, ...]:
        """The zone's own NS records, by its primary; none when it does not say."""
        answer = await self._desk.ask(self._desk.dns.primary, self._zone, "NS")
        return answer.values if answer.authoritative else ()

    async def _other_keys(self, parent: str) -> bool:
        answer = await self._desk.ask(parent, self._zone, "DS")
        ds = answer.ds or (answer.values if answer.rcode == "NOERROR" else ())
        if not ds:
            return False
        keys = await self._desk.ask(self._desk.dns.primary, self._zone, "DNSKEY")
        return keys.rcode == "NOERROR" and keys.authoritative and not same_key(self._zone, ds, keys.values)

    async def _other_addresses(self, answer: Answer) -> bool:
        given: dict[tuple[str, str], set[str]] = {}
        for server, address in answer.glue:
            given.setdefault((server, "AAAA" if _family(address) == ":" else "A"), set()).add(address)
        for (server, type), addresses in sorted(given.items())[:32]:
            own = await self._desk.ask(self._desk.dns.primary, server, type)
            if own.rcode in {"NOERROR", "NXDOMAIN"} and own.authoritative and set(own.values) != addresses:
                return True
        return False


def consistent(answer: Answer, own: tuple[str, ...]) -> DnsClass:
    """The class of a delegation that is not meant to change: `new` where it is what the zone itself says."""
    if not answer.rcode:
        return "timeout"
    classes: dict[str, DnsClass] = {"SERVFAIL": "servfail", "REFUSED": "refused", "NXDOMAIN": "nxdomain"}
    if answer.rcode != "NOERROR":
        return classes.get(answer.rcode, "other")
    if not answer.values:
        return "nodata"
    return "new" if not own or set(own) == set(answer.values) else "other"


class DelegationWatch:
    """Watches the delegation of the plan's zone, which is not meant to change, at its parent's name servers."""

    def __init__(self, service: str, desk: Desk) -> None:
        self._service = service
        self._desk = desk
        self._delegation = Delegation(desk, desk.dns.zone)
        self._teller = Teller(desk)

    async def run(self) -> None:
        """Ask until cancelled."""
        clock, dns = self._desk.clock, self._desk.dns
        while True:
            began = clock.monotonic()
            await asyncio.gather(*(self._look(server) for server in dict.fromkeys(dns.parent)))
            await clock.sleep(max(0.05, dns.every - (clock.monotonic() - began)))

    async def _look(self, server: str) -> None:
        zone = self._desk.dns.zone
        raw = await self._desk.ask(server, zone, "NS")
        answer = referred(raw, zone, "NS")
        state = consistent(answer, await self._delegation.names())
        flags = tuple(sorted(await self._delegation.flags(server, raw))) if raw.rcode else ()
        self._teller.seen(
            DnsSeen(
                service=self._service, name=zone, type="NS", vantage=server, role="parent", state=state,
                answers=answer.values[:64], ttl=answer.ttl, flags=flags, ms=answer.ms, errors=answer.errors,
                detail=why(answer),
            )
        )  # fmt: skip


def _family(address: str) -> str:
    return ":" if ":" in address else "."


def _words(text: str) -> tuple[str, ...]:
    tag, algorithm, digest, *rest = text.lower().split()
    return tag, algorithm, digest, "".join(rest)
