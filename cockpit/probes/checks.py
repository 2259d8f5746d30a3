"""Verifications that a plan names: asked again until they hold or their time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from cockpit.plan.base import Vantage
from cockpit.plan.conditions import vantages
from cockpit.plan.model import HttpCheck, Plan, ProbeCheck
from cockpit.plan.watched import Expect, Family
from cockpit.plan.zones import RecordSet
from cockpit.probes.asking import Ask, HealthAsker
from cockpit.probes.dns.authorities import found_authorities
from cockpit.probes.dns.served import Wanted, all_serve
from cockpit.probes.http import HttpProber
from cockpit.probes.seen import Seen
from cockpit.probes.world import found_at
from cockpit.text import harmless

AGAIN = 0.25
ONCE = 5.0
"""Seconds for one request of a verification, of which there may be several."""
LOOK_UP = 60.0
"""Seconds after which the authorities of somebody else's zone are looked up anew."""


async def check_http(check: HttpCheck, plan: Plan, service: str = "") -> tuple[bool, str]:
    """Whether the URL answers as expected at its vantage, and what was seen. Vantages that its conditions name are asked too."""
    prober = HttpProber()
    deadline = time.monotonic() + check.timeout
    wanted = vantages(check.expect.that) - {check.at}
    said = ""
    while True:
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                ok, said = await _asked(prober, check, plan, service, wanted)
        except TimeoutError:
            return False, said or f"{check.url} at {check.at}: no answer within {check.timeout:g} s"
        if ok:
            return True, said
        if time.monotonic() > deadline:
            return False, said
        await asyncio.sleep(AGAIN)


async def _asked(
    prober: HttpProber, check: HttpCheck, plan: Plan, service: str, wanted: Iterable[str]
) -> tuple[bool, str]:
    facts = await asyncio.gather(*(_facts(prober, check, plan, at, service) for at in wanted))
    others = dict(zip(wanted, facts, strict=True))
    address, why = await found_at(plan, check.url, check.at, service)
    if not address:
        return False, f"{check.url} at {check.at}: {why}"
    timeout = min(ONCE, check.timeout)
    seen = await prober.get(check.url, address, check.expect, timeout, at=check.at, others=others)
    return seen.ok, f"{check.url} at {check.at} ({address}): {seen.detail}"


async def _facts(prober: HttpProber, check: HttpCheck, plan: Plan, at: str, service: str) -> Mapping[str, str]:
    """What another vantage shows of the same URL, whatever it is."""
    vantage = cast("Vantage", at)
    address = (await found_at(plan, check.url, vantage, service)).address
    if not address:
        return {}
    return (await prober.get(check.url, address, Expect(status=0), min(ONCE, check.timeout), at=vantage)).facts


async def check_probe(check: ProbeCheck, asker: HealthAsker, plan: Plan, service: str) -> tuple[bool, str]:
    """Whether a health probe of the service is good at the vantage, as often in a row as it wants to be and over every family
    that it asks for. Vantages that its conditions name are asked too, over the same family. A log counts from now on."""
    async with asker.aside:
        return await _checked(check, asker, plan, service)


async def _checked(check: ProbeCheck, asker: HealthAsker, plan: Plan, service: str) -> tuple[bool, str]:
    probe = next(item for item in plan.service(service).health if item.id == check.probe)
    families: tuple[Family, ...] = ("4", "6") if probe.family == "each" else (probe.family,)
    asks = [asker.asking(service, probe, check.at, family) for family in families]
    wanted = sorted(vantages(probe.expect.that) - {check.at})
    others = [[asker.asking(service, probe, cast(Vantage, at), family) for at in wanted] for family in families]

    async def asked(ask: Ask, around: list[Ask]) -> Seen | None:
        seen = await asyncio.gather(*(other({}) for other in around))
        return await ask({at: one.facts for at, one in zip(wanted, seen, strict=True) if one is not None})

    deadline, row, said = time.monotonic() + check.timeout, 0, ""
    while True:
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                found = await asyncio.gather(*(asked(ask, around) for ask, around in zip(asks, others, strict=True)))
        except TimeoutError:
            return False, said or f"probe {probe.id} at {check.at}: no answer within {check.timeout:g} s"
        answers = [seen for seen in found if seen is not None]
        good = len(answers) == len(asks) and all(seen.ok for seen in answers)
        row = row + 1 if good else 0
        told = next((seen for seen in answers if not seen.ok), answers[0] if answers else None)
        said = f"probe {probe.id} at {check.at}: {told.detail if told is not None else 'nothing was seen yet'}"
        if row >= probe.row:
            return True, said
        if time.monotonic() > deadline:
            return False, said if not good else f"{said}, good {row} of {probe.row} times in a row"
        await asyncio.sleep(AGAIN)


async def observe_record(
    record: RecordSet, plan: Plan, wait: float, tell: Callable[[float, str], None] = lambda share, words: None
) -> tuple[bool, str]:
    """Whether every authority serves the record set's new contents, waiting up to `wait` seconds; `tell` hears how far it is.

    Who the authorities are is looked up again and again: the owner of a zone may change them, too."""
    ends = time.monotonic() + wait
    wanted = Wanted(name=record.name, type=record.type, values=record.new)
    while True:
        left = max(0.0, ends - time.monotonic())
        found = await found_authorities(plan.dns, record.name)
        servers = found.servers
        if servers:
            ok, said = await all_serve(servers, record.name, [wanted], min(left, LOOK_UP), tell, f" for {record.key}")
            if found.lacking:
                ok, said = False, f"{said}, but not all authorities are known: {'; '.join(found.lacking)}"
                tell(-1.0, harmless(said, 500))
        else:
            ok, said = (
                False,
                f"no authority of {record.name} is found ({'; '.join(found.lacking)}): do the resolvers answer?",
            )
            tell(-1.0, said)
        if ok or time.monotonic() >= ends:
            return ok, said
        await asyncio.sleep(AGAIN if servers else min(5.0, left))
