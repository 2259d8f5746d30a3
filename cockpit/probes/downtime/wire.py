"""What the conductor and the process of the prober say to each other, a line of JSON each.

The conductor sends `Orders` on standard input and then nothing more: when its end closes, the process ends. It gets `Told`."""

from __future__ import annotations

import time

import msgspec

from cockpit.plan.watched import Downtime
from cockpit.plan.zones import Dns
from cockpit.probes.outage import Bounds

LONGEST = 1 << 20
"""Bytes of a line."""

BEAT = 0.5
"""Seconds between two lines of the process when nothing changes."""

TELL_EVERY = 0.2
"""Seconds between two lines when something does."""

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds of a clock that all processes of a machine share, that never steps back and goes on while it is suspended."""
    return time.clock_gettime(_CLOCK)


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """One meter of a service. `night`: whether its outages are outages of the night."""

    service: str
    spec: Downtime
    night: bool = True


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure. `parent` is the pid of the conductor."""

    parent: int
    meters: tuple[Meter, ...]
    dns: Dns | None = None


class Reading(Bounds, frozen=True, kw_only=True, omit_defaults=True):
    """What a meter has measured since the process began; `began` with its first sample."""

    meter: int
    """Its number in the orders; -1 is the night."""
    began: float


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All readings at `at`, or what is wrong in words."""

    at: float
    readings: tuple[Reading, ...] = ()
    trouble: str = ""
