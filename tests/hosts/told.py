"""What the parts under test tell, as something a test can wait for, and the plan's data they are asked with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call
from cockpit.events import Event, HostSeen
from cockpit.hosts.access import Asks
from cockpit.hosts.pool import HostPool
from cockpit.lab import Lab
from cockpit.plan.load import load
from cockpit.plan.model import Host, Op, Plan, Step

E = TypeVar("E", bound=Event)


class Told:
    """Takes events as `emit` or `say` does, and raw bytes as the journal does."""

    def __init__(self, folder: Path | None = None) -> None:
        self.events: list[Event] = []
        self._folder = folder
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def raw(self, name: str, data: bytes, at: int | None = None) -> int:
        assert self._folder is not None
        with (self._folder / name.replace("/", "_")).open("ab") as file:
            if at is not None and file.tell() > at:
                file.truncate(at)
                file.seek(at)
            offset = file.tell()
            file.write(data)
        return offset

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait until `holds` after some event."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def link(self, host: str, link: str, text: str = "") -> HostSeen:
        """The first news of a link that is so and says that, waiting for it."""

        def found() -> list[HostSeen]:
            return [
                seen for seen in self.of(HostSeen) if (seen.host, seen.link) == (host, link) and text in seen.detail
            ]

        await self.until(found)
        return found()[0]


def plan_of(lab: Lab) -> Plan:
    plan = load(lab.plan_path).plan
    assert plan is not None
    return plan


def hosts_of(lab: Lab, **changes: str) -> dict[str, Host]:
    """The plan's hosts, `old` with some fields changed."""
    hosts = dict(plan_of(lab).hosts)
    hosts["old"] = msgspec.structs.replace(hosts["old"], **changes)
    return hosts


@asynccontextmanager
async def pooled(hosts: dict[str, Host], told: Told, asks: Asks | None = None) -> AsyncIterator[HostPool]:
    """A pool that runs."""
    pool = HostPool(hosts, told, SystemClock(), asks)
    running = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        running.cancel()
        done = await asyncio.gather(running, return_exceptions=True)
        if isinstance(done[0], Exception):
            raise done[0]


def call_of(step: Step, op: Op, captured: dict[str, str] | None = None, job: str = "run.osf.step.1") -> Call:
    return Call(step=step, op=op, attempt=1, job=f"{job}.{op}", captured=captured or {})
