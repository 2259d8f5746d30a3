"""Who answers for a name: the plan's list, or what the zone's NS say."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence

import dns.exception
import dns.resolver
import msgspec

from cockpit.plan.zones import Dns
from cockpit.probes.dns.ask import Answer, Asker, endpoint
from cockpit.probes.dns.servers import SYSTEM

MOST = 32
"""Name servers, and addresses of them, that are asked."""

ASKED = 3
"""Resolvers that are asked, one after the other, who the authorities are."""


class Found(msgspec.Struct, frozen=True):
    """Addresses to ask, and what is lacking before they are all: sentences, () when nothing is."""

    servers: tuple[str, ...]
    lacking: tuple[str, ...] = ()


async def found_authorities(dns_: Dns | None, name: str) -> Found:
    """The addresses to ask about a name, the primary first where it is one of them, and what could not be looked up.

    Inside the plan's zone they are those that the plan names. Where it names none but the primary, the zone's NS at the primary
    are looked up, and for a name elsewhere the NS of its own zone by the plan's resolvers, or the system's. Never raises for
    what a server does."""
    async with Asker(dns_.ca if dns_ is not None else "") as asker:
        if dns_ is None or not within(name, dns_.zone):
            return await _elsewhere(asker, dns_, name)
        if dns_.authorities:
            return Found(tuple(dict.fromkeys((dns_.primary, *dns_.authorities))))
        said = await _any(asker, [dns_.primary], dns_.zone, "NS", recurse=False)
        if not _useful(said) or not said.values or said.chain:
            why = _trouble(said) or "it knows none"
            return Found((dns_.primary,), (f"{dns_.primary} does not tell the NS of {dns_.zone}: {why}",))
        found = await _servers(asker, said, [dns_.primary], dns_, recurse=False)
        return Found(tuple(dict.fromkeys((dns_.primary, *found.servers))), found.lacking)


async def authorities_for(dns_: Dns | None, name: str) -> tuple[str, ...]:
    """The addresses of `found_authorities`, as many as could be found: never enough for saying that all authorities agree."""
    return (await found_authorities(dns_, name)).servers


async def _elsewhere(asker: Asker, dns_: Dns | None, name: str) -> Found:
    resolvers = (await resolvers_of(dns_))[:ASKED]
    for zone in _upwards(name):
        said = await _any(asker, resolvers, zone, "NS", recurse=True)
        if not _useful(said) and (await _any(asker, resolvers, zone, "CNAME", recurse=True)).values:
            # A resolver follows an alias; what it leads to may be broken, but an alias is no zone (RFC 1912 §2.4).
            continue
        if not _useful(said):
            # The NS of a zone above would be those of a parent: another zone's.
            return Found((), (f"no resolver tells the NS of {zone}: {_trouble(said)}",))
        if said.values and not said.chain:
            return await _servers(asker, said, resolvers, dns_, recurse=True)
    return Found((), (f"no zone that {name} is in has NS",))


def within(name: str, zone: str) -> bool:
    """Whether a name is in a zone."""
    name, zone = name.rstrip(".").lower(), zone.rstrip(".").lower()
    return not zone or name == zone or name.endswith("." + zone)


def is_plain(server: str) -> bool:
    """Whether it is an address asked over UDP."""
    try:
        ipaddress.ip_address(endpoint(server)[0])
    except ValueError:
        return False
    return True


def _upwards(name: str) -> Iterator[str]:
    labels = name.rstrip(".").split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def _system() -> list[str]:
    try:
        found = dns.resolver.Resolver()
    except (dns.exception.DNSException, OSError):
        return []
    return [str(server) for server in found.nameservers if is_plain(str(server))]


async def resolvers_of(dns_: Dns | None) -> list[str]:
    """The plan's of every kind, else those of this machine. Not the operating system's own: that tells addresses only."""
    named = [server for server in (dns_.resolvers if dns_ is not None else ()) if server != SYSTEM]
    return named or await asyncio.to_thread(_system)


async def _servers(asker: Asker, said: Answer, servers: Sequence[str], dns_: Dns | None, *, recurse: bool) -> Found:
    """Addresses of the NS in an answer. Names that an authority does not know itself are asked of resolvers."""
    names = list(said.values[:MOST])
    lacking = [f"{len(said.values) - MOST} more NS are not asked"] if len(said.values) > MOST else []
    glue: dict[str, list[str]] = {}
    for name, address in said.glue:
        glue.setdefault(name, []).append(address)
    found, why = await _addresses(asker, names, servers, recurse)
    for name in names:
        found[name] = [*found[name], *glue.get(name, ())]
    missing = [name for name in names if not found[name]]
    if missing and not recurse:
        more, reasons = await _addresses(asker, missing, (await resolvers_of(dns_))[:ASKED], True)
        found |= more
        why |= reasons
    lacking += [f"no address of {name} is found: {why[name]}" for name in names if not found[name]]
    addresses = tuple(dict.fromkeys(address for name in names for address in found[name]))
    if len(addresses) > MOST:
        lacking.append(f"{len(addresses) - MOST} more addresses of NS are not asked")
    return Found(addresses[:MOST], tuple(lacking))


async def _addresses(
    asker: Asker, names: Sequence[str], servers: Sequence[str], recurse: bool
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Addresses by name, and why a name has none."""
    asked = [(name, type) for name in names for type in ("A", "AAAA")]
    answers = await asyncio.gather(*(_any(asker, servers, name, type, recurse=recurse) for name, type in asked))
    found: dict[str, list[str]] = {name: [] for name in names}
    why: dict[str, str] = dict.fromkeys(names, "")
    for (name, _), answer in zip(asked, answers, strict=True):
        found[name] += answer.values
        why[name] = why[name] or _trouble(answer)
    return found, {name: reason or "it has none" for name, reason in why.items()}


async def _any(asker: Asker, servers: Sequence[str], name: str, type: str, *, recurse: bool) -> Answer:
    """The first answer that says something, else the last that does not."""
    answer = Answer(type=type, trouble="there is no resolver to ask")
    for server in servers:
        answer = await asker.ask(server, name, type, recurse=recurse)
        if _useful(answer):
            break
    return answer


def _useful(answer: Answer) -> bool:
    return answer.rcode in {"NOERROR", "NXDOMAIN"}


def _trouble(answer: Answer) -> str:
    return "" if answer.rcode == "NOERROR" else answer.trouble or answer.rcode
