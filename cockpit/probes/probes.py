"""All probes of a plan, started together and owned here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

from cockpit.clock import Clock
from cockpit.events import Event, HealthSeen, Trouble, WriterSeen
from cockpit.plan.model import DnsChange, Expect, HttpProbe, Manual, Plan, RecordSet, Service, Vantage
from cockpit.probes.dns import DnsWatch
from cockpit.probes.downtime import DowntimeProber
from cockpit.probes.http import HttpProber, Seen
from cockpit.probes.world import address_at
from cockpit.probes.writer import writer_side
from cockpit.state import RunState

AT_ONCE = 32
"""Requests of health and writer probes under way at the same time, over all services."""

AGAIN = 5.0
"""Seconds after which an unchanged observation is told again, so that evidence stays fresh."""

CountWrites = Callable[[Service], Awaitable[int | None]]


class Probes:
    """Health, writer, DNS and downtime of every service. `run` until cancelled."""

    def __init__(
        self,
        plan: Plan,
        emit: Callable[[Event], None],
        clock: Clock,
        count_writes: CountWrites,
        before: RunState | None = None,
    ) -> None:
        self._plan = plan
        self._before = before or RunState()
        self._emit = emit
        self._clock = clock
        self._count_writes = count_writes
        self._most = asyncio.Semaphore(AT_ONCE)
        self._http = HttpProber()

    async def run(self) -> None:
        """Own every probe until cancelled."""
        async with asyncio.TaskGroup() as group:
            down = DowntimeProber(self._plan, self._emit, self._clock, self._before)
            group.create_task(down.run())
            for service in self._plan.services:
                if service.disposition == "drop":
                    continue
                for probe in service.health:
                    for at in probe.at:
                        name = f"{probe.id} of {service.id} at {at}"
                        group.create_task(self._kept(name, partial(self._health, service, probe, at)))
                if service.writer is not None:
                    group.create_task(self._kept(f"writer of {service.id}", partial(self._writer, service)))
                if self._plan.dns is not None:
                    for record in watched_records(service):
                        seen = self._before.services.get(service.id)
                        watch = DnsWatch(service.id, record, self._plan.dns, self._emit, self._clock, self._most, seen)
                        group.create_task(self._kept(f"{record.name} {record.type}", watch.run))

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
                    self._emit(Trouble(message=said))
            await self._clock.sleep(AGAIN)

    async def _health(self, service: Service, probe: HttpProbe, at: Vantage) -> None:
        # Services do not ask all at once.
        await self._clock.sleep(random.uniform(0, min(probe.every, 1.0)))
        told: tuple[object, float] = (None, 0.0)
        due = self._clock.monotonic()
        while True:
            async with self._most:
                seen = await self._ask(probe, at, service.id)
            what = (seen.ok, seen.status, seen.via, seen.bridged)
            now = self._clock.monotonic()
            if what != told[0] or now - told[1] >= min(AGAIN, probe.every * 2):
                told = (what, now)
                self._emit(
                    HealthSeen(
                        service=service.id,
                        probe=probe.id,
                        at=at,
                        ok=seen.ok,
                        ms=seen.ms,
                        status=seen.status,
                        detail=seen.detail,
                        via=seen.via,
                        bridged=seen.bridged,
                    )
                )
            due = max(due + probe.every, self._clock.monotonic() - probe.every)
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))

    async def _ask(self, probe: HttpProbe, at: Vantage, service: str) -> Seen:
        address = await address_at(self._plan, probe.url, at, service)
        if not address:
            return Seen(ok=False, detail=f"the name has no address at {at}")
        return await self._http.get(probe.url, address, probe.expect, probe.timeout)

    async def _writer(self, service: Service) -> None:
        spec = service.writer
        assert spec is not None
        told: tuple[object, float] = (None, 0.0)
        while True:
            async with self._most:
                bodies = await asyncio.gather(*(self._body(spec.url, at, service.id) for at in ("old", "new")))
            side, words = writer_side(spec, *bodies)
            writes = -1
            if spec.writes and (side in {"new", "both"} or told[0] is None):
                counted = await self._count_writes(service)
                writes = -1 if counted is None else counted
            now = self._clock.monotonic()
            if (side, writes) != told[0] or now - told[1] >= AGAIN:
                told = ((side, writes), now)
                self._emit(WriterSeen(service=service.id, writer=side, writes=writes, detail=words))
            await self._clock.sleep(spec.every)

    async def _body(self, url: str, at: str, service: str) -> str | None:
        vantage: Vantage = "old" if at == "old" else "new"
        address = await address_at(self._plan, url, vantage, service)
        if not address:
            return None
        seen = await self._http.get(url, address, Expect(), 3.0)
        return seen.body if seen.ok else None


def watched_records(service: Service) -> tuple[RecordSet, ...]:
    """The record sets of a service: those it declares, that its steps change, and that its manual steps observe."""
    found: dict[tuple[str, str], RecordSet] = {}
    for record in service.records:
        found.setdefault((record.name, record.type), record)
    for step in service.steps:
        if isinstance(step.action, DnsChange):
            found.setdefault((step.action.record.name, step.action.record.type), step.action.record)
        elif isinstance(step.action, Manual) and step.action.observe is not None:
            found.setdefault((step.action.observe.name, step.action.observe.type), step.action.observe)
    return tuple(found.values())
