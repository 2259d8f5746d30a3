"""Verifications that a plan names: asked again until they hold or their time is over."""

from __future__ import annotations

import asyncio
import time

from cockpit.plan.model import HttpCheck, Plan, RecordSet
from cockpit.probes.classify import classify
from cockpit.probes.http import HttpProber
from cockpit.probes.resolve import ask
from cockpit.probes.world import address_at

AGAIN = 0.25


async def check_http(check: HttpCheck, plan: Plan, service: str = "") -> tuple[bool, str]:
    """Whether the URL answers as expected at its vantage, and what was seen."""
    prober = HttpProber()
    deadline = time.monotonic() + check.timeout
    while True:
        address = await address_at(plan, check.url, check.at, service)
        if address:
            seen = await prober.get(check.url, address, check.expect, min(5.0, check.timeout))
            said = f"{check.url} at {check.at} ({address}): {seen.detail}"
            if seen.ok:
                return True, said
        else:
            said = f"{check.url}: the name has no address at {check.at}"
        if time.monotonic() > deadline:
            return False, said
        await asyncio.sleep(AGAIN)


async def observe_record(record: RecordSet, plan: Plan, wait: float) -> tuple[bool, str]:
    """Whether every authority serves the record set's new contents, waiting up to `wait` seconds."""
    if plan.dns is None:
        return False, "the plan names no name servers to observe"
    servers = tuple(dict.fromkeys((plan.dns.primary, *plan.dns.authorities)))
    deadline = time.monotonic() + wait
    while True:
        answers = await asyncio.gather(*(ask(server, record.name, record.type, recurse=False) for server in servers))
        states = [classify(answer, record.old, record.new, authority=True) for answer in answers]
        good = states.count("new")
        said = f"{good} of {len(servers)} authorities serve {', '.join(record.new)} for {record.name} {record.type}"
        if good == len(servers):
            return True, said
        if time.monotonic() >= deadline:
            return False, said
        await asyncio.sleep(AGAIN)
