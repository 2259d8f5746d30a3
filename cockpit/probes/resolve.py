"""Asking name servers: one question, one answer, in words that a vantage can be classified by."""

from __future__ import annotations

import time

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import msgspec

TIMEOUT = 2.0

_TEXT = frozenset({"TXT", "SPF"})
_EXACT = _TEXT | {"CAA", "DNSKEY", "DS", "TLSA", "SSHFP", "OPENPGPKEY", "SMIMEA", "CERT", "NAPTR", "URI"}
"""Types whose text is compared letter by letter."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one server said to one question. `rcode` is '' when it did not answer; `ttl` is -1 without records."""

    type: str = ""
    """The type that was asked for."""
    rcode: str = ""
    authoritative: bool = False
    values: tuple[str, ...] = ()
    ttl: int = -1
    serial: int = -1
    negative_ttl: int = -1
    """TTL of a negative answer (RFC 2308 §5)."""
    errors: tuple[int, ...] = ()
    """Extended DNS errors (RFC 8914)."""
    ms: float = 0.0
    trouble: str = ""


def endpoint(server: str) -> tuple[str, int]:
    """Address and port of `ip`, `ip:port` or `[ip6]:port`."""
    if server.startswith("["):
        address, _, port = server[1:].partition("]")
        return address, int(port.lstrip(":") or 53)
    if server.count(":") == 1:
        address, _, port = server.partition(":")
        return address, int(port)
    return server, 53


async def ask(server: str, name: str, type: str, *, recurse: bool, timeout: float = TIMEOUT) -> Answer:
    """One question over UDP, over TCP where the answer was cut. Never raises for what the server does."""
    began = time.monotonic()
    try:
        address, port = endpoint(server)
        query = dns.message.make_query(name, type, use_edns=0, payload=1232)
        if not recurse:
            query.flags &= ~dns.flags.RD
        response, _ = await dns.asyncquery.udp_with_fallback(query, address, timeout, port)
    except dns.exception.Timeout:
        return Answer(trouble="no answer in time", ms=_since(began))
    except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
        return Answer(trouble=str(error) or type_name(error), ms=_since(began))
    return _read(response, name, type, _since(began))


def _read(response: dns.message.Message, name: str, type: str, ms: float) -> Answer:
    wanted = dns.rdatatype.from_text(type)
    values: set[str] = set()
    ttls: list[int] = []
    for rrset in response.answer:
        if rrset.rdtype == wanted:
            values |= {normal(type, record.to_text()) for record in rrset}
        if rrset.rdtype in {wanted, dns.rdatatype.CNAME}:
            ttls.append(rrset.ttl)
    serial = negative = -1
    for rrset in [*response.answer, *response.authority]:
        if rrset.rdtype == dns.rdatatype.SOA:
            serial = rrset[0].serial
            negative = min(rrset.ttl, rrset[0].minimum)
    return Answer(
        type=type,
        rcode=dns.rcode.to_text(response.rcode()),
        authoritative=bool(response.flags & dns.flags.AA),
        values=tuple(sorted(values)),
        ttl=min(ttls) if ttls and values else -1,
        serial=serial,
        negative_ttl=negative,
        errors=tuple(int(option.code) for option in response.extended_errors()),
        ms=ms,
    )


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
    return text if type.upper() in _EXACT else text.lower().rstrip(".")


def type_name(error: BaseException) -> str:
    """A word for an error that has no text."""
    return type(error).__name__


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
