"""Health probes at work on a small plan, and what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cockpit.clock import SystemClock
from cockpit.events import Event, HealthSeen
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Expect, Probe
from cockpit.probes import health
from cockpit.probes.context import Context, Said

NOTHING = Expect(status=0)
HOSTS = {
    "old": Host(id="old", ssh="a@old", role="old", address="127.0.0.1"),
    "new": Host(id="new", ssh="a@new", role="new", address="127.0.0.2", address6="::1"),
    "db": Host(id="db", ssh="a@db"),
}


def plan_of(*probes: Probe, hosts: dict[str, Host] | None = None) -> Plan:
    return Plan(name="p", hash="0", hosts=hosts or HOSTS, services=(Service(id="osf", health=probes, vars={"x": "y"}),))


def tcp(port: int, **more: object) -> Probe:
    fields = {"id": "port", "proto": "tcp", "target": f"x.test:{port}", "expect": NOTHING, "at": ("old",), "every": 0.1}
    return Probe(**{**fields, **more})  # type: ignore[arg-type]


class Told:
    """What health probes told, in order; `answer` is what hosts say to scripts."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answer: Callable[[str], Said] = lambda host: Said(0, f"{host}\n")
        self._news = asyncio.Event()

    def take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def on_host(self, host: str, script: str, timeout: float) -> Said:
        return self.answer(host)

    def of(self, probe: str, at: str = "old") -> list[HealthSeen]:
        return [e for e in self.events if isinstance(e, HealthSeen) and (e.probe, e.at) == (probe, at)]

    async def until(self, holds: Callable[[], object], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(plan: Plan, secrets: dict[str, str] | None = None) -> AsyncIterator[Told]:
    told = Told()
    context = Context(plan, told.take, SystemClock(), told.on_host, secrets)
    tasks = [asyncio.create_task(watch.work()) for watch in health.watches(context)]
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
