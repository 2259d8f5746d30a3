"""Where requests go: the address of a side's host, or the one that a name resolves to right now, asked anew each time."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from cockpit.plan.base import Vantage
from cockpit.plan.model import Host, Plan
from cockpit.plan.watched import Family
from cockpit.probes.dns.ask import Answer, Asker
from cockpit.probes.dns.servers import SYSTEM
from cockpit.text import harmless

_AUTHORITY = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([^\s:/\[\]]+)(?::\d{1,5})?")
RESOLVING = 1.0
"""Seconds for which one resolver may think."""
THINKING = 5.0
"""The same for this machine's own, which asks several servers itself."""


class Found(NamedTuple):
    """An address; '' and why it could not be found when there is none."""

    address: str
    why: str = ""


async def world_address(plan: Plan, url: str, family: Family = "any", asker: Asker | None = None) -> str:
    """The address of the name in a URL or in `name:port`, by the plan's first resolver that answers, else by this machine's
    own. '' when there is none of that family; `any` prefers IPv4."""
    return (await in_the_world(plan, url, family, asker)).address


async def in_the_world(plan: Plan, url: str, family: Family = "any", asker: Asker | None = None) -> Found:
    """The same, and why there is none: that nobody answers is another thing than that there is no address. `asker` is one
    that is kept; without it sockets and TLS contexts are made for this question alone."""
    host = name_in(url)
    literal = _literal(host)
    if literal is not None:
        fits = family in {"any", str(literal.version)}
        return Found(str(literal)) if fits else Found("", f"{literal} is no IPv{family} address")
    if asker is None:
        async with Asker(plan.dns.ca if plan.dns is not None else "") as own:
            return await _in_either(plan, host, family, own)
    return await _in_either(plan, host, family, asker)


async def _in_either(plan: Plan, host: str, family: Family, asker: Asker) -> Found:
    why = ""
    for version in ("4", "6") if family in {"any", "each"} else (family,):
        found = await _resolved(plan, host, version, asker)
        if found.address:
            return found
        why = why or found.why
    return Found("", why or f"the name has no {_kind(family)}address")


async def _resolved(plan: Plan, host: str, version: str, asker: Asker) -> Found:
    """Without `why` where somebody said that there is no address."""
    named = dict.fromkeys(plan.dns.resolvers if plan.dns is not None else ())
    type = "A" if version == "4" else "AAAA"
    troubles: list[str] = []
    empty = False
    for resolver in named or (SYSTEM,):
        answer = await _answer(asker, resolver, host, type)
        if answer.values:
            return Found(answer.values[0])
        if answer.rcode in {"NXDOMAIN", "NOERROR"}:
            if resolver != SYSTEM:
                return Found("")
            # This machine may be set up to know less than the resolvers that the plan names after it.
            empty = True
        else:
            troubles.append(f"{resolver}: {answer.trouble or answer.rcode}")
    if empty:
        return Found("")
    if named and SYSTEM not in named:
        answer = await _answer(asker, SYSTEM, host, type)
        if answer.values:
            return Found(answer.values[0])
        troubles.append(f"this machine: {answer.trouble or 'it knows no address'}")
    return Found("", harmless("no resolver answers: " + ", ".join(troubles), 300))


async def _answer(asker: Asker, resolver: str, host: str, type: str) -> Answer:
    thinks = THINKING if resolver == SYSTEM else RESOLVING
    return await asker.ask(resolver, host, type, recurse=True, timeout=thinks)


def _kind(family: str) -> str:
    return {"4": "IPv4 ", "6": "IPv6 "}.get(family, "")


async def address_at(
    plan: Plan, url: str, at: Vantage, service: str = "", family: Family = "any", asker: Asker | None = None
) -> str:
    """The address to which a request at this vantage is pinned; '' when there is none of that family."""
    return (await found_at(plan, url, at, service, family, asker)).address


async def found_at(
    plan: Plan, url: str, at: Vantage, service: str = "", family: Family = "any", asker: Asker | None = None
) -> Found:
    """The same, and why there is none. `asker` as of `in_the_world`."""
    if at == "world":
        return await in_the_world(plan, url, family, asker)
    host = host_at(plan, at, service)
    address = _of_host(plan.hosts[host], family) if host else ""
    return Found(address, "" if address else f"the host of {at} has no {_kind(family)}address")


def _of_host(host: Host, family: Family) -> str:
    if family in {"any", "each"}:
        return host.address or host.address6
    own = (host.address, host.address6)
    return next((text for text in own if text and (":" in text) == (family == "6")), "")


def host_at(plan: Plan, side: Vantage, service: str = "") -> str:
    """The id of the host on a side, the service's own where it has one; '' when there is none."""
    hosts = [host.id for host in plan.hosts.values() if host.role == side]
    own = [id for id in hosts if id.endswith(f"@{service}")] if service else []
    return next(iter(own or hosts), "")


def name_in(text: str) -> str:
    """The name in a URL, in `name:port` or in `[ip6]:port`; '' when there is none."""
    if "://" in text:
        try:
            return urlsplit(text).hostname or ""
        except ValueError:
            return ""
    found = _AUTHORITY.fullmatch(text.strip())
    return (found[1] or found[2]) if found else ""


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
