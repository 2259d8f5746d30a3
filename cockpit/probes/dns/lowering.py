"""How long a TTL that was lowered lives on in caches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from cockpit.engine.ports import Call
from cockpit.plan.zones import Dns
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.authorities import found_authorities, resolvers_of
from cockpit.probes.dns.captured import read
from cockpit.probes.dns.held import held_at

MARGIN = 1.0
"""Caches count in whole seconds, and may begin one late."""


async def longest(zone: Dns, names: Sequence[tuple[str, str]], captured: Mapping[str, str]) -> tuple[int, str]:
    """The longest TTL of the sets at any authority before the change, seconds; one that lags may publish a longer one. And why
    that is not known, '' when it is."""
    found = await found_authorities(zone, zone.zone)
    async with Asker() as asker:
        rows = [(server, key) for server in found.servers for key in names]
        seen = await asyncio.gather(*(held_at(server, *key, asker=asker) for server, key in rows))
    silent = [f"{server} says {one.trouble}" for (server, _), one in zip(rows, seen, strict=True) if one.trouble]
    known = [one.ttl for one in (*seen, *read(captured).values())]
    return max(known, default=0), "; ".join(dict.fromkeys((*found.lacking, *silent)))


async def left_in_caches(zone: Dns, names: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """The most seconds that a resolver of the plan, or of this machine where it names none, has left for one of the sets: a
    sample, no bound. And why there is none, '' when each set was seen."""
    servers = await resolvers_of(zone)
    if not servers:
        return 0, "there is no resolver to ask"
    asked = [(server, key) for server in servers for key in names for _ in range(max(1, zone.samples))]
    async with Asker(zone.ca) as asker:
        seen = await asyncio.gather(*(asker.ask(server, *key, recurse=True) for server, key in asked))
    for key in names:
        rows = [(server, answer) for (server, of), answer in zip(asked, seen, strict=True) if of == key]
        if not any(answer.ttl >= 0 for _, answer in rows):
            why = [f"{server} says {answer.trouble or answer.rcode} without a TTL" for server, answer in rows]
            return 0, f"{' '.join(key)}: {'; '.join(list(dict.fromkeys(why))[:4])}"
    return max(answer.ttl for answer in seen), ""


def mark(call: Call, since: float) -> str:
    """When all authorities had the TTL, for the journal; it holds for its attempt only."""
    return f"{call.attempt} {since!r}"


def served_since(call: Call) -> float:
    """The UTC that `mark` wrote down in this attempt, 0 when there is none."""
    attempt, _, text = call.captured.get("served", "").partition(" ")
    try:
        return float(text) if attempt == str(call.attempt) else 0.0
    except ValueError:
        return 0.0
