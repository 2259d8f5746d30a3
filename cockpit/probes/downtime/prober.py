"""The conductor's side of the downtime prober: its process, started again when it dies, and what it measured, as events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

import msgspec

from cockpit import child
from cockpit.clock import Clock, SystemClock
from cockpit.events import Event, Trouble
from cockpit.plan.model import Plan
from cockpit.plan.watched import Downtime
from cockpit.probes.downtime.accounts import Account
from cockpit.probes.downtime.wire import LONGEST, Meter, Orders, Told, now
from cockpit.state import DownView, RunState
from cockpit.text import harmless

SILENCE = 10.0
"""Seconds without a word after which the process is ended and started anew."""

AGAIN = (0.2, 1.0, 5.0)
"""Seconds before it is started again: the first time, the next, and from then on while it does not live."""

TELL_EVERY = 0.25
A_SECOND = 60.0
"""Events a second at most, of all meters together."""


class DowntimeProber:
    """Measures every meter of the plan. `run` owns the process and ends it when cancelled."""

    def __init__(
        self, plan: Plan, emit: Callable[[Event], None], clock: Clock | None = None, before: RunState | None = None
    ) -> None:
        self._emit = emit
        self._clock = clock or SystemClock()
        self._before = before or RunState()
        self.pid = 0
        """Of the process that measures now, 0 while there is none."""
        self._meters = meters(plan)
        self._orders = Orders(parent=os.getpid(), meters=self._meters, dns=plan.dns)
        self._accounts = {
            number: Account(
                meter.service, meter.spec.id, meter.spec.kind, meter.spec.budget, meter.spec.every, self._earlier(meter)
            )
            for number, meter in enumerate(self._meters)
        }
        slowest = max((meter.spec.every for meter in self._meters if meter.night), default=1.0)
        self._accounts[-1] = Account("", "", "read", plan.downtime, slowest, self._before.down)
        self._pause = max(TELL_EVERY, len(self._accounts) / A_SECOND)

    async def run(self) -> None:
        """Until cancelled. Every death of the process is told, and the time without one is in the upper bounds."""
        if not self._meters:
            return
        if self._before.utc and not self._before.ended:
            for number, account in self._accounts.items():
                earlier = self._earlier_of(number)
                if earlier.samples:
                    # What was told last may be older than the last that the journal holds of other things.
                    until = min(earlier.known or self._before.utc, self._before.utc)
                    account.lose_sight(now() - max(0.0, self._clock.utc() - until))
        deaths = 0
        while True:
            why, told = "", False
            try:
                why, told = await self._live()
            except OSError as error:
                why = f"it cannot be started: {error.strerror or error}"
            deaths = 0 if told else deaths + 1
            words = "it is started again, and the time between is in the upper bounds"
            self._emit(Trouble(message=f"the downtime prober ended: {why}; {words}"))
            for account in self._accounts.values():
                account.lose_sight()
            await self._clock.sleep(AGAIN[min(deaths, len(AGAIN) - 1)])

    async def _live(self) -> tuple[str, bool]:
        """One life of the process: why it ended, and whether it has measured anything."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # What lies in the folder of whoever called us is none of ours.
            "-m",
            "cockpit.probes.downtime",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST,
            start_new_session=True,
        )
        self.pid = process.pid
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        dying = asyncio.create_task(_last_words(process.stderr))
        told = False
        try:
            process.stdin.write(msgspec.json.encode(self._orders) + b"\n")
            while line := await self._line(process.stdout):
                told = self._take(line) or told
            await process.wait()
            return f"{_status(process.returncode or 0)}{await dying}", told
        except (TimeoutError, ValueError) as error:
            why = (
                f"nothing was heard of it for {SILENCE:g} s" if isinstance(error, TimeoutError) else "it made no sense"
            )
            return why, told
        finally:
            self.pid = 0
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
            process.stdin.close()
            # It is gone when it is gone: nothing of it outlives us.
            await asyncio.shield(child.end(process))

    async def _line(self, stdout: asyncio.StreamReader) -> bytes:
        """The next line, b"" at the end. Raises TimeoutError and ValueError."""
        for _ in range(2):
            # When it is we who were held up, the line is there, and is taken at the second attempt.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENCE / 2):
                    return await stdout.readline()
        raise TimeoutError

    def _take(self, line: bytes) -> bool:
        """Whether the line held a reading. Raises ValueError (msgspec's errors are such)."""
        told = msgspec.json.decode(line, type=Told)
        if told.trouble:
            self._emit(Trouble(message=harmless(told.trouble, 300)))
        for reading in told.readings:
            account = self._accounts[reading.meter]
            account.take(reading, told.at)
            for event in account.news(told.at, self._pause, self._clock.utc() - (now() - told.at)):
                self._emit(event)
        return bool(told.readings)

    def _earlier(self, meter: Meter) -> DownView:
        seen = self._before.services.get(meter.service)
        if seen is None:
            return DownView()
        return seen.meters.get(meter.spec.id, DownView()) if meter.spec.id else seen.down

    def _earlier_of(self, number: int) -> DownView:
        return self._earlier(self._meters[number]) if number >= 0 else self._before.down


def meters(plan: Plan) -> tuple[Meter, ...]:
    """Every meter of a plan. The night counts those of readers, and a service that has none by what it has."""
    found: list[Meter] = []
    for service in plan.services:
        if service.disposition == "drop":
            continue
        own: tuple[Downtime, ...] = (service.downtime, *service.meters) if service.downtime is not None else ()
        read = any(spec.kind == "read" for spec in own)
        found += [Meter(service=service.id, spec=spec, night=spec.kind == "read" or not read) for spec in own]
    return tuple(found)


async def _last_words(stderr: asyncio.StreamReader) -> str:
    last = b""
    while line := await stderr.readline():
        last = line.strip() or last
    return f": {harmless(last, 200)}" if last else ""


def _status(returned: int) -> str:
    return f"signal {-returned}" if returned < 0 else f"status {returned}"
