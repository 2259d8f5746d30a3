"""Samples at a fixed interval, whatever became of the ones before, and what they add up to."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from msgspec.structs import asdict, replace

from cockpit.plan.watched import Downtime
from cockpit.plan.zones import Dns
from cockpit.probes.downtime.asking import Trust, is_good
from cockpit.probes.downtime.names import Names
from cockpit.probes.downtime.wire import Meter, Reading, now
from cockpit.probes.outage import Outage, Sample, Saw
from cockpit.probes.spans import Spans

MOST_WAITING = 400
"""Requests of one meter that may be without an answer; with a time-out of 2 s and 250 ms between them there are 8."""

HELD_UP = 0.1
"""Seconds by which our own waking may be late before what a request saw counts as not known."""


class Night:
    """The time for which any service was away."""

    def __init__(self) -> None:
        self.lower = Spans()
        self.upper = Spans()


class Metering:
    """One meter at work. `reading` may be asked for at any time."""

    def __init__(self, number: int, meter: Meter, dns: Dns | None, night: Night, told: Callable[[str], None]) -> None:
        self._number = number
        self._meter = meter
        spec = meter.spec
        self.slow = slow_of(spec.slow, spec.timeout)
        self.outage = Outage(self.slow, night.lower, night.upper) if meter.night else Outage(self.slow)
        self._names = Names(where(spec), spec.family, dns)
        self._trust = Trust(spec.ca, told)
        self._began = 0.0
        self._waiting: set[asyncio.Task[bool]] = set()

    @property
    def in_night(self) -> bool:
        """Whether it counts for the outage of the whole night."""
        return self._meter.night

    def reading(self, at: float) -> Reading | None:
        """What it has measured at `at`; None before it has."""
        bounds = self.outage.bounds(at)
        if not bounds.samples:
            return None
        right = replace(bounds, known=max(bounds.known, self._began))
        return Reading(meter=self._number, began=self._began, **asdict(right))

    async def run(self, after: float) -> None:
        """Sample until cancelled, beginning so many seconds from now."""
        spec = self._meter.spec
        if spec.url.startswith("https"):
            with contextlib.suppress(OSError):
                await self._trust.context()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._names.keep())
            await self._names.known.wait()
            await asyncio.sleep(after)
            await self._sample(group)

    async def _sample(self, group: asyncio.TaskGroup) -> None:
        every = self._meter.spec.every
        order: deque[asyncio.Task[Sample | None] | tuple[int, float]] = deque()
        due = now()
        while True:
            late = int((now() - due) / every)
            full = len(self._waiting) >= MOST_WAITING
            if late or full:
                due += late * every
                if self._began:
                    order.append((late + full, now()))
            if not full:
                self._began = self._began or now()
                sent = now()
                order.append(group.create_task(self._one(sent), name=str(sent)))
            # What was sent first counts first: a failure that is late still belongs before a success that is early.
            while order and (isinstance(first := order[0], tuple) or first.done()):
                order.popleft()
                if isinstance(first, tuple):
                    self.outage.miss(*first)
                elif (sample := first.result()) is not None:
                    self.outage.add(sample)
                else:
                    self.outage.miss(1, float(first.get_name()))
            due += every
            await asyncio.sleep(max(0.0, due - now()))

    async def _one(self, sent: float) -> Sample | None:
        """What one request saw, known within `slow`; the connection stays until the time-out, as a client's would. None when
        we were held up ourselves, so that it is not known."""
        address = self._names.address
        if not address:
            return Sample(sent, now(), "failed")
        spec = self._meter.spec
        asking = asyncio.create_task(self._bounded(address, spec.timeout))
        self._waiting.add(asking)
        asking.add_done_callback(self._waiting.discard)
        try:
            done, _ = await asyncio.wait({asking}, timeout=self.slow)
        except asyncio.CancelledError:
            asking.cancel()
            raise
        ended = now()
        if ended - sent > self.slow + max(spec.every, HELD_UP):
            return None
        if not done or (ended - sent > self.slow):
            return Sample(sent, ended, "stalled")
        saw: Saw = "good" if asking.result() else "failed"
        return Sample(sent, ended, saw)

    async def _bounded(self, address: str, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                return await is_good(self._meter.spec, address, self._trust)
        except TimeoutError:
            return False

    async def close(self) -> None:
        """End what is still on its way."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)


def where(spec: Downtime) -> str:
    """What is looked up for a meter: its own address where it has one."""
    if not spec.address:
        return spec.url
    return f"//[{spec.address}]" if ":" in spec.address else f"//{spec.address}"


def slow_of(slow: float, timeout: float) -> float:
    """Seconds after which an answer that is still out counts as stalled: as the plan says, at most half the time-out."""
    return min(slow or timeout / 2, timeout / 2)
