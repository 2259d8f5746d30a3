"""`python -m cockpit.probes.downtime`: the process that measures. It takes its orders from standard input and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from functools import partial

import msgspec

from cockpit.probes.downtime.meters import Metering, Night
from cockpit.probes.downtime.wire import BEAT, LONGEST, TELL_EVERY, Orders, Reading, Told, now

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """0 when the conductor has gone, 2 when there are no orders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the conductor, whose end is ours.
    try:
        orders = msgspec.json.decode(sys.stdin.buffer.readline(LONGEST), type=Orders)
    except msgspec.DecodeError:
        return 2
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != orders.parent:
        return 0
    gc.freeze()
    asyncio.run(_work(orders))
    return 0


async def _work(orders: Orders) -> None:
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(0, lambda: None if _more() else gone.set())
    mouth, night = Mouth(gone), Night()
    meters = [
        Metering(number, meter, orders.dns, night, partial(mouth.trouble_of, meter.service))
        for number, meter in enumerate(orders.meters)
    ]
    tasks = [
        # Meters do not ask all at once.
        asyncio.create_task(_kept(one, meter.spec.every * number / len(meters), mouth))
        for number, (one, meter) in enumerate(zip(meters, orders.meters, strict=True))
    ]
    telling = asyncio.create_task(_tell(meters, night, mouth))
    await gone.wait()
    for task in (*tasks, telling):
        task.cancel()
    await asyncio.gather(*tasks, telling, return_exceptions=True)
    await asyncio.gather(*(meter.close() for meter in meters))


async def _kept(meter: Metering, after: float, mouth: Mouth) -> None:
    try:
        await meter.run(after)
    except Exception as error:
        # A meter that is broken is no meter: the process ends, and a new one begins with all of them.
        mouth.trouble(f"{type(error).__name__}: {error}")
        mouth.gone.set()


def _more() -> bytes:
    with contextlib.suppress(OSError):
        return os.read(0, 4096)
    return b""


class Mouth:
    """Standard output, which never makes a sample wait: while it is full nothing is added, for the next line says it all."""

    def __init__(self, gone: asyncio.Event) -> None:
        os.set_blocking(1, False)
        self.gone = gone
        self._rest = b""
        self._troubles: list[str] = []

    def trouble(self, words: str) -> None:
        """Say what is wrong, with the next line."""
        if len(self._troubles) < 20:
            self._troubles.append(words)
        self.say(())

    def trouble_of(self, service: str, words: str) -> None:
        """Say what is wrong with a service's meter."""
        self.trouble(f"downtime of {service}: {words}")

    def say(self, readings: tuple[Reading, ...]) -> bool:
        """One line; whether it could be said."""
        if not self._flush():
            return False
        told = Told(at=now(), readings=readings, trouble=self._troubles.pop(0) if self._troubles else "")
        self._rest = msgspec.json.encode(told) + b"\n"
        return self._flush()

    def _flush(self) -> bool:
        while self._rest:
            try:
                self._rest = self._rest[os.write(1, self._rest) :]
            except BlockingIOError:
                return False
            except OSError:
                self.gone.set()
                return False
        return True


async def _tell(meters: list[Metering], night: Night, mouth: Mouth) -> None:
    told: tuple[object, ...] = ()
    told_at = 0.0
    while True:
        at = now()
        readings = [reading for meter in meters if (reading := meter.reading(at)) is not None]
        if len(readings) == len(meters):
            readings.append(_night(meters, readings, night, at))
            what = tuple((one.lower, one.upper, one.failed, one.stalled, one.missed) for one in readings)
            if (what != told or at - told_at >= BEAT) and mouth.say(tuple(readings)):
                told, told_at = what, at
        elif at - told_at >= BEAT and mouth.say(tuple(readings)):
            told_at = at
        await asyncio.sleep(TELL_EVERY)


def _night(meters: list[Metering], readings: list[Reading], night: Night, at: float) -> Reading:
    ours = [(meter, reading) for meter, reading in zip(meters, readings, strict=True) if meter.in_night]
    still = [(meter.outage.open, at) for meter, _ in ours if meter.outage.open is not None]
    return Reading(
        meter=-1,
        began=max(reading.began for _, reading in ours),
        known=min(reading.known for _, reading in ours),
        lower=night.lower.total(),
        upper=night.upper.total(still),
        ongoing=any(reading.ongoing for _, reading in ours),
        failed=sum(reading.failed for _, reading in ours),
        stalled=sum(reading.stalled for _, reading in ours),
        samples=sum(reading.samples for _, reading in ours),
        missed=sum(reading.missed for _, reading in ours),
    )


if __name__ == "__main__":
    sys.exit(main())
