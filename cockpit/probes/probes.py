"""All probes of a plan, started together and owned here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cockpit.events import Trouble
from cockpit.probes import compare, health, writer
from cockpit.probes.context import AGAIN, Context
from cockpit.probes.dns import watch as dns
from cockpit.probes.downtime import DowntimeProber
from cockpit.probes.mail import watch as mail

FAMILIES = (health.watches, compare.watches, writer.watches, dns.watches, mail.watches)


class Probes:
    """Health, writer, DNS and downtime of every service. `run` until cancelled."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Own every probe until cancelled."""
        context = self._context
        async with context.asker, asyncio.TaskGroup() as group:
            down = DowntimeProber(context.plan, context.emit, context.clock, context.before)
            group.create_task(down.run())
            for watches in FAMILIES:
                for watch in watches(context):
                    group.create_task(self._kept(watch.name, watch.work))

    async def _kept(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """One probe's fault is told once and ends no other probe; it begins again a little later."""
        told = ""
        while True:
            try:
                await work()
            except Exception as error:
                said = f"probe {name}: {type(error).__name__}: {error}"
                if said != told:
                    told = said
                    self._context.emit(Trouble(message=said))
            await self._context.clock.sleep(AGAIN)
