"""How long a final copy will take, from how fast its data change and how fast they were copied. Pure."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from cockpit.passes import SCATTER
from cockpit.state import PassView
from cockpit.survey.sizes import Measure


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """A data set over time: its last size, and the bytes a second that were changed in it, at the least and at the most."""

    bytes: int
    files: int
    measures: int
    over: float
    """Seconds between the first and the last look, and what the first looked back."""
    low: float = 0.0
    high: float = 0.0
    known: bool = True
    """Whether changes were seen, not the growth alone: in a database what is overwritten does not show."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between which a final copy should end. `why` says what is missing where there is none."""

    low: float = 0.0
    high: float = 0.0
    due_low: float = 0.0
    due_high: float = 0.0
    """Bytes that will have to be brought over."""
    why: str = ""


def growth(measures: list[Measure]) -> Growth | None:
    """What the measures of one data set say of it; None without any."""
    if not measures:
        return None
    ordered = sorted(measures, key=lambda one: one.utc)
    last = ordered[-1]
    rates = [one.changed / (one.utc - one.since) for one in ordered if one.changed >= 0 and one.utc > one.since]
    known = bool(rates)
    if not rates:
        rates = [
            abs(one.bytes - before.bytes) / (one.utc - before.utc)
            for before, one in pairwise(ordered)
            if one.utc > before.utc
        ]
    start = min(one.since or one.utc for one in ordered)
    return Growth(
        bytes=last.bytes,
        files=last.files,
        measures=len(ordered),
        over=last.utc - start,
        low=min(rates, default=0.0),
        high=max(rates, default=0.0),
        known=known,
    )


def forecast(sets: list[Growth], looks: float, passes: list[PassView], gap: float, rate: float = 0.0) -> Forecast:
    """The final copy of these data sets, `gap` seconds after the copy before it. `looks` is how long going through them took,
    `passes` are earlier copies of them, `rate` bytes a second where somebody knows them; else they come from the passes."""
    due_low, due_high = (sum(one.low for one in sets) * gap, sum(one.high for one in sets) * gap)
    whole = float(sum(one.bytes for one in sets))
    due_low, due_high = min(due_low, whole), min(due_high, whole)
    biggest = max(passes, key=lambda one: one.bytes, default=None)
    if not rate and biggest is not None and biggest.bytes and biggest.seconds:
        rate = biggest.bytes / biggest.seconds
    if not rate:
        why = "how fast bytes go over is not known: a first copy in a rehearsal tells, or --rate"
        return Forecast(due_low=due_low, due_high=due_high, why=why)
    quick = min((one.seconds for one in passes), default=looks)
    look_low, look_high = min(looks, quick), max(looks, quick)
    low = (look_low + due_low / rate) / SCATTER
    # A clock that counts whole seconds may be off by one.
    high = (look_high + 1.0 + due_high / rate) * SCATTER
    return Forecast(low=low, high=max(high, low), due_low=due_low, due_high=due_high)
