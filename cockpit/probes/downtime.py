"""The open-loop downtime prober: a request at every tick whatever became of the last one, in a thread and loop of its own, so
that nothing else the conductor does can delay a sample."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from cockpit.clock import Clock, SystemClock
from cockpit.events import DowntimeSeen, Event, Trouble
from cockpit.plan.model import Downtime, Plan, Service
from cockpit.probes.http import HttpProber
from cockpit.probes.outage import Bounds, Outage, Sample
from cockpit.probes.world import world_address
from cockpit.state import DownView, RunState

TELL_EVERY = 0.25
AGAIN = 5.0
MOST_WAITING = 200
"""Requests of one service that may be without an answer; with a time-out of 2 s and 250 ms between them there are 8."""


class DowntimeProber:
    """Measures every service that has a downtime budget. `run` starts the thread and stops it when cancelled."""

    def __init__(
        self, plan: Plan, emit: Callable[[Event], None], clock: Clock | None = None, before: RunState | None = None
    ) -> None:
        self._plan = plan
        self._before = before or RunState()
        self._emit = emit
        self._clock = clock or SystemClock()
        self._stop = threading.Event()

    async def run(self) -> None:
        """Until cancelled. Events reach `emit` on the caller's loop."""
        watched = [service for service in self._plan.services if service.downtime is not None]
        if not watched:
            return
        loop = asyncio.get_running_loop()

        def tell(event: Event) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._emit, event)

        thread = threading.Thread(target=lambda: asyncio.run(self._thread(watched, tell)), name="downtime", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._stop.set()

    async def _thread(self, watched: list[Service], tell: Callable[[Event], None]) -> None:
        prober = HttpProber()
        tasks = [asyncio.create_task(self._kept(service, prober, tell)) for service in watched]
        await asyncio.to_thread(self._stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _kept(self, service: Service, prober: HttpProber, tell: Callable[[Event], None]) -> None:
        try:
            await self._service(service, prober, tell)
        except Exception as error:
            tell(Trouble(message=f"downtime of {service.id} is measured no more: {type(error).__name__}: {error}"))

    async def _service(self, service: Service, prober: HttpProber, tell: Callable[[Event], None]) -> None:
        spec = service.downtime
        assert spec is not None
        outage = Outage()
        earlier = self._earlier(service.id)
        in_flight: deque[asyncio.Task[Sample]] = deque()
        told, told_at = Bounds(), 0.0
        due = self._clock.monotonic()
        try:
            while True:
                if len(in_flight) < MOST_WAITING:
                    in_flight.append(asyncio.create_task(self._sample(spec, prober)))
                # Samples count in the order in which they were sent: a late failure still belongs before a later success.
                while in_flight and in_flight[0].done():
                    outage.add(in_flight.popleft().result())
                now = self._clock.monotonic()
                bounds = outage.bounds(now)
                changed = (bounds.lower, bounds.upper, bounds.ongoing, bounds.failed, bounds.stalled) != (
                    told.lower,
                    told.upper,
                    told.ongoing,
                    told.failed,
                    told.stalled,
                )
                if bounds.samples and ((changed and now - told_at >= TELL_EVERY) or now - told_at >= AGAIN):
                    told, told_at = bounds, now
                    tell(
                        DowntimeSeen(
                            service=service.id,
                            lower=round(earlier.lower + bounds.lower, 3),
                            upper=round(earlier.upper + bounds.upper, 3),
                            ongoing=bounds.ongoing,
                            failed=earlier.failed + bounds.failed,
                            stalled=earlier.stalled + bounds.stalled,
                            samples=earlier.samples + bounds.samples,
                        )
                    )
                due += spec.every
                await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
        finally:
            for task in in_flight:
                task.cancel()

    def _earlier(self, service: str) -> DownView:
        """What was measured before a resumption. An outage that went on then may have gone on while nobody measured: that
        counts in the upper bound."""
        seen = self._before.services.get(service)
        if seen is None:
            return DownView()
        gap = max(0.0, self._clock.utc() - self._before.utc) if seen.down.ongoing else 0.0
        return replace(seen.down, upper=seen.down.upper + gap)

    async def _sample(self, spec: Downtime, prober: HttpProber) -> Sample:
        sent = self._clock.monotonic()
        address = await world_address(self._plan, spec.url)
        if not address:
            return Sample(sent, self._clock.monotonic(), ok=False)
        seen = await prober.get(spec.url, address, spec.expect, spec.timeout)
        stalled = not seen.ok and seen.status == 0 and seen.ms >= spec.timeout * 990
        return Sample(sent, self._clock.monotonic(), ok=seen.ok, stalled=stalled)
