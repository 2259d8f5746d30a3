"""Measuring a plan's data sets on their hosts, all hosts at the same time."""

from __future__ import annotations

import asyncio

from cockpit.clock import Clock
from cockpit.events import Event
from cockpit.hosts.access import Asks
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.plan.model import Plan
from cockpit.survey.sizes import Measure, data_sets, parsed, script

CONNECT_WAIT, LOOK_WAIT = 30.0, 3600.0
"""Seconds to reach a host, and for it to go through all of its data."""


def _unheard(event: Event) -> None:
    """What links tell is of no use here: a host that cannot be reached is told at its end."""


async def measured(
    plan: Plan, before: list[Measure], clock: Clock, asks: Asks | None = None
) -> tuple[list[Measure], list[str]]:
    """A measure of each data set that could be looked at, and a sentence for each that could not. `before` tells since when
    changes count: from the last measure on, or a day back at the first."""
    sets = list(data_sets(plan))
    last = {one.what: one.utc for one in sorted(before, key=lambda one: one.utc)}
    pool = HostPool(plan.hosts, _unheard, clock, asks)
    running = asyncio.create_task(pool.run())
    found: list[Measure] = []
    troubles: list[str] = []

    async def host(id: str) -> None:
        mine = [one for one in sets if one.host == id]
        utc = clock.utc()
        since = {one.label: max(int(utc - last[one.label]), 1) for one in mine if one.label in last}
        try:
            await pool[id].connection(CONNECT_WAIT)
            ran = await pool[id].run("exec sh -s", script(mine, since).encode(), LOOK_WAIT)
        except Unreachable as error:
            troubles.append(str(error))
            return
        measures, missing = parsed(ran.out, mine, since, utc)
        found.extend(measures)
        troubles.extend(missing)

    try:
        async with asyncio.TaskGroup() as group:
            for id in dict.fromkeys(one.host for one in sets):
                group.create_task(host(id))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return found, troubles
