"""Zones as data: record sets, the SOA serial, RFC 2136 prerequisites and changes, and a whole zone as a transfer."""

from __future__ import annotations

from collections.abc import Iterable

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update

Key = tuple[dns.name.Name, dns.rdatatype.RdataType]
NEGATIVE_TTL = 5
"""The SOA minimum: how long a resolver remembers that a name is not there, seconds."""


class Zone:
    """One zone: its origin, its serial, and record sets by name and type (the SOA is made from the serial)."""

    def __init__(self, origin: str, primary: str, serial: int = 2026010100) -> None:
        self.origin = dns.name.from_text(origin)
        self.primary = primary
        self.serial = serial
        self.revision = 0
        """How often it has changed, whoever changed it."""
        self.sets: dict[Key, tuple[int, frozenset[dns.rdata.Rdata]]] = {}

    def put(self, name: str, ttl: int, type: str, *values: str) -> None:
        """Set a record set; no values removes it."""
        key = (dns.name.from_text(name), dns.rdatatype.from_text(type))
        data = frozenset(dns.rdata.from_text("IN", type, value, relativize=False) for value in values)
        self.revision += 1
        if data:
            self.sets[key] = (ttl, data)
        else:
            self.sets.pop(key, None)

    @classmethod
    def of(cls, domain: str, servers: Iterable[str], hosts: Iterable[tuple[str, str]]) -> Zone:
        """A zone with its name servers ns1, ns2 … at these addresses, and a name for each of the hosts (name, address)."""
        zone = cls(f"{domain}.", f"ns1.{domain}.")
        names = {f"ns{number}.{domain}.": address for number, address in enumerate(servers, 1)}
        zone.put(f"{domain}.", 60, "NS", *names)
        for name, address in (*names.items(), *((f"{name}.", address) for name, address in hosts)):
            zone.put(name, 60, "A", address)
        return zone

    @property
    def soa(self) -> dns.rrset.RRset:
        """The SOA record, made from the serial."""
        master = f"hostmaster.{self.primary.partition('.')[2]}"
        text = f"{self.primary} {master} {self.serial} 2 1 3600 {NEGATIVE_TTL}"
        return dns.rrset.from_text(self.origin, NEGATIVE_TTL, "IN", "SOA", text)

    def get(self, name: dns.name.Name, type: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """The record set, None when there is none."""
        if name == self.origin and type == dns.rdatatype.SOA:
            return self.soa
        found = self.sets.get((name, type))
        return _rrset(name, type, *found) if found else None

    def knows(self, name: dns.name.Name) -> bool:
        """Whether the name, or one below it, exists."""
        return name == self.origin or any(known.is_subdomain(name) for known, _ in self.sets)

    def everything(self) -> list[dns.rrset.RRset]:
        """The zone in the order of a transfer (RFC 5936): SOA, all else, SOA."""
        return [self.soa, *(_rrset(*key, *value) for key, value in self.sets.items()), self.soa]

    def load(self, answer: list[dns.rrset.RRset]) -> None:
        """Take over what a transfer brought."""
        self.serial = next(iter(answer[0])).serial
        self.revision += 1
        self.sets = {
            (one.name, one.rdtype): (one.ttl, frozenset(one)) for one in answer if one.rdtype != dns.rdatatype.SOA
        }

    def update(self, message: dns.update.UpdateMessage) -> tuple[dns.rcode.Rcode, bool]:
        """Check the prerequisites, then change all or nothing (RFC 2136 §3.2, §3.4). Returns the code, and whether anything
        changed; then the serial is one more."""
        refused = self._prerequisites(message)
        if refused is not None:
            return refused, False
        before = dict(self.sets)
        for change in message.update:
            if not change.name.is_subdomain(self.origin):
                self.sets = before
                return dns.rcode.NOTZONE, False
            self._change(change)
        if self.sets == before:
            return dns.rcode.NOERROR, False
        self.serial += 1
        self.revision += 1
        return dns.rcode.NOERROR, True

    def _prerequisites(self, message: dns.update.UpdateMessage) -> dns.rcode.Rcode | None:
        wanted: dict[Key, set[dns.rdata.Rdata]] = {}
        for rule in message.prerequisite:
            if not rule.name.is_subdomain(self.origin):
                return dns.rcode.NOTZONE
            if rule.deleting == dns.rdataclass.ANY:
                if rule.rdtype == dns.rdatatype.ANY:
                    if not self.knows(rule.name):
                        return dns.rcode.NXDOMAIN
                elif self.get(rule.name, rule.rdtype) is None:
                    return dns.rcode.NXRRSET
            elif rule.deleting == dns.rdataclass.NONE:
                if rule.rdtype == dns.rdatatype.ANY:
                    if self.knows(rule.name):
                        return dns.rcode.YXDOMAIN
                elif self.get(rule.name, rule.rdtype) is not None:
                    return dns.rcode.YXRRSET
            else:
                wanted.setdefault((rule.name, rule.rdtype), set()).update(rule)
        for (name, type), values in wanted.items():
            found = self.get(name, type)
            if found is None or set(found) != values:
                return dns.rcode.NXRRSET
        return None

    def _change(self, change: dns.rrset.RRset) -> None:
        key = (change.name, change.rdtype)
        if change.deleting == dns.rdataclass.ANY:
            for known in [known for known in self.sets if known[0] == change.name]:
                if change.rdtype in (dns.rdatatype.ANY, known[1]):
                    del self.sets[known]
            return
        _, present = self.sets.get(key, (0, frozenset()))
        if change.deleting == dns.rdataclass.NONE:
            left = present - frozenset(change)
            if left:
                self.sets[key] = (self.sets[key][0], left)
            else:
                self.sets.pop(key, None)
        elif change.rdtype != dns.rdatatype.SOA:
            self.sets[key] = (change.ttl, present | frozenset(change))


def answer(zones: list[Zone], query: dns.message.Message) -> dns.message.Message:
    """What an authority says to a question: with AA in its zones, along aliases within one; a referral is not needed as it holds
    both sides of the cut; REFUSED elsewhere."""
    response = dns.message.make_response(query)
    if not query.question:
        response.set_rcode(dns.rcode.FORMERR)
        return response
    name, type = query.question[0].name, query.question[0].rdtype
    holding = [zone for zone in zones if name.is_subdomain(zone.origin)]
    if not holding:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    zone = max(holding, key=lambda zone: len(zone.origin))
    response.flags |= dns.flags.AA
    found = zone.get(name, type)
    for _ in range(8):
        alias = zone.get(name, dns.rdatatype.CNAME) if found is None and type != dns.rdatatype.CNAME else None
        if alias is None:
            break
        response.answer.append(alias)
        name = next(iter(alias)).target
        found = zone.get(name, type)
    if found is not None:
        response.answer.append(found)
    else:
        response.authority.append(zone.soa)
        if not zone.knows(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def _rrset(
    name: dns.name.Name, type: dns.rdatatype.RdataType, ttl: int, data: frozenset[dns.rdata.Rdata]
) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, ttl, sorted(data, key=str))
