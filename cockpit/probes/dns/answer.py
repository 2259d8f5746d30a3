"""What a server said, in words that a vantage can be classified by: reading an answer, and values as they are compared."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import msgspec

from cockpit.probes.dns.wire import AA, AD, Malformed, Question, Record, Walk, header
from cockpit.text import harmless

CHAIN = 16
"""Links of a CNAME chain that are followed; resolvers stop at about as many."""
VALUES = 512
"""Records of one set that are read."""
BYTES = 1 << 14
"""Bytes of one set's data that are read."""

_TEXT = frozenset({"TXT", "SPF"})
_EXACT = _TEXT | {"CAA", "DNSKEY", "DS", "TLSA", "SSHFP", "OPENPGPKEY", "SMIMEA", "CERT", "NAPTR", "URI"}
"""Types whose text is compared letter by letter."""
_A, _NS, _CNAME, _SOA, _AAAA, _DS, _RRSIG = 1, 2, 5, 6, 28, 43, 46


class Link(msgspec.Struct, frozen=True):
    """One CNAME of a chain, names in lower case and without the final dot."""

    name: str
    target: str
    ttl: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one server said to one question. `rcode` is '' when it gave no answer that can be used: `trouble` says why. `ttl` is
    -1 without records."""

    type: str = ""
    """The type that was asked for."""
    rcode: str = ""
    authoritative: bool = False
    values: tuple[str, ...] = ()
    ttl: int = -1
    """The smallest along the CNAME chain: how long a cache may keep the answer."""
    serial: int = -1
    negative_ttl: int = -1
    """TTL of a negative answer (RFC 2308 §5)."""
    errors: tuple[int, ...] = ()
    """Extended DNS errors (RFC 8914)."""
    ms: float = 0.0
    trouble: str = ""
    authentic: bool = False
    """AD: the resolver says that it validated the answer (RFC 4035 §3.2.3)."""
    chain: tuple[Link, ...] = ()
    """CNAMEs that lead to the record set, the first link first."""
    record_ttl: int = -1
    """TTL of the record set itself, without the chain."""
    delegation: tuple[str, ...] = ()
    """Name servers that a referral or an answer names, in lower case and without the final dot."""
    delegation_ttl: int = -1
    glue: tuple[tuple[str, str], ...] = ()
    """(name server, address) that came along."""
    glue_ttl: int = -1
    signed: bool = False
    """A signature (RRSIG) came along."""
    ds: tuple[str, ...] = ()
    """DS records of an answer or of a referral."""


def read(wire: bytes, question: Question, *, exact: bool = False) -> Answer:
    """What a message says to the question. `exact` gives the values of the name's own set letter by letter, all of them, and
    follows no alias: what a change needs. Raises Malformed."""
    head = header(wire)
    walk = Walk(wire)
    records = list(walk.records())
    chain, owner = _chain(records, question) if not exact else ((), question.qname)
    own = [r for r in records if r.section == 0 and r.type == question.number and r.owner == owner]
    values = _values(own, question.type) if not exact else tuple(sorted({_record(r).to_text() for r in own}))
    record_ttl = min((r.ttl for r in own), default=-1)
    serial = negative = -1
    for record in records:
        if record.type == _SOA and record.section < 2:
            serial, minimum = _soa(record)
            negative = min(record.ttl, minimum)
    servers = [r for r in (own if question.number == _NS and own else records) if r.type == _NS and r.section < 2]
    _countable(servers, "NS")
    delegation = {r.data.lower() for r in servers}
    glue = [r for r in records if r.section == 2 and r.type in {_A, _AAAA} and r.owner in delegation]
    _countable(glue, "address")
    ds = [r for r in records if r.type == _DS and r.section < 2]
    return Answer(
        type=question.type,
        rcode=dns.rcode.to_text(dns.rcode.Rcode.make(head.rcode | walk.extended << 4)),
        authoritative=bool(head.flags & AA),
        values=values,
        ttl=min([record_ttl, *(link.ttl for link in chain)]) if values else -1,
        serial=serial,
        negative_ttl=negative,
        errors=walk.errors,
        authentic=bool(head.flags & AD),
        chain=chain,
        record_ttl=record_ttl,
        delegation=tuple(sorted(map(_name, delegation))),
        delegation_ttl=min((r.ttl for r in servers), default=-1),
        glue=tuple(sorted({(_name(r.owner), _text(r, "A" if r.type == _A else "AAAA")) for r in glue})),
        glue_ttl=min((r.ttl for r in glue), default=-1),
        signed=any(r.type == _RRSIG for r in records),
        ds=_values(ds, "DS"),
    )


def _chain(records: Sequence[Record], question: Question) -> tuple[tuple[Link, ...], bytes]:
    """The CNAMEs from the question's name on, and the name that they lead to (RFC 1034 §3.6.2). Raises Malformed for a chain
    that does not end."""
    if question.number == _CNAME:
        return (), question.qname
    aliases = {r.owner: r for r in records if r.section == 0 and r.type == _CNAME}
    links: list[Link] = []
    at = question.qname
    seen = {at}
    while (record := aliases.get(at)) is not None:
        target = record.data.lower()
        links.append(Link(_name(at), _name(target), record.ttl))
        if target in seen:
            raise Malformed(f"its CNAME chain comes back to {harmless(_name(target), 80)}")
        if len(links) > CHAIN:
            raise Malformed(f"its CNAME chain has more than {CHAIN} links")
        seen.add(target)
        at = target
    return tuple(links), at


def _countable(records: Sequence[Record], type: str) -> None:
    if len(records) > VALUES:
        raise Malformed(f"it has {len(records)} {type} records, and more than {VALUES} are not compared")


def _values(records: Sequence[Record], type: str) -> tuple[str, ...]:
    _countable(records, type)
    size = sum(len(record.data) for record in records)
    if size > BYTES:
        raise Malformed(f"its {type} records have {size} bytes, and more than {BYTES} are not compared")
    return tuple(sorted({_text(record, type) for record in records}))


def _text(record: Record, type: str) -> str:
    return _compared(type, _record(record).to_text())


def _record(record: Record) -> dns.rdata.Rdata:
    type = dns.rdatatype.RdataType.make(record.type)
    try:
        return dns.rdata.from_wire(dns.rdataclass.IN, type, record.data, 0, len(record.data))
    except (dns.exception.DNSException, ValueError, IndexError, struct.error) as error:
        said = harmless(str(error), 100)
        raise Malformed(f"its {dns.rdatatype.to_text(type)} record cannot be read: {said}") from None


def _soa(record: Record) -> tuple[int, int]:
    serial, _, _, _, minimum = struct.unpack("!IIIII", record.data[-20:])
    return serial, minimum


@functools.lru_cache(maxsize=1024)
def _name(wire: bytes) -> str:
    labels, _ = dns.name.from_wire(wire, 0)
    return labels.to_text(omit_final_dot=True).lower() if len(labels) > 1 else "."


def record_data(type: str, value: str) -> dns.rdata.Rdata:
    """A value as a plan writes it, as record data. A name without a final dot is a whole name all the same: plans have no
    origin. Unquoted text is one string. Raises dns.exception.DNSException, ValueError."""
    if type.upper() in _TEXT and not value.lstrip().startswith('"'):
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return dns.rdata.from_text("IN", type, value, origin=dns.name.root, relativize=False)


def normal(type: str, value: str) -> str:
    """A record's text as it is compared: as the library writes it, names in lower case and without the final dot."""
    try:
        text = record_data(type, value).to_text()
    except (dns.exception.DNSException, ValueError):
        text = value
    return _compared(type, text)


def _compared(type: str, text: str) -> str:
    return text if type.upper() in _EXACT else text.lower().rstrip(".")
