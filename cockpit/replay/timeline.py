"""The course of a recording as figures: when each event is shown, and the moments that one may want to go to."""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterable
from typing import Literal

import msgspec

from cockpit.events import (
    FAILURES,
    BudgetAlarm,
    DowntimeSeen,
    GateClosed,
    GateOpened,
    Noted,
    Record,
    RunEnded,
    RunPanicked,
    StepMoved,
    Trouble,
    Unknown,
    WheelLost,
    WheelTaken,
)

IDLE = 3.0
"""Seconds without an event that are shown as they were; a longer pause is cut to this."""

MomentKind = Literal[
    "step", "failure", "gate", "note", "away", "back", "budget", "wheel", "trouble", "end", "unknown", "damage"
]
"""`away` and `back`: a meter of downtime begins and ends to run. `damage`: what follows is not what was written."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """An event that one may want to go to: its place among all events (from 0), and a word for what it is. A `damage` stands
    at the event before which, in the file, something is wrong."""

    index: int
    kind: MomentKind
    ref: str = ""
    """The step or the service that it is about, '' for the run."""
    text: str = ""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All events of a recording by their place (from 0): `seqs` their numbers, `utc` when they were, seconds, `shown` when
    they are shown, seconds from the beginning with idle time cut. `moments` are in order of their places."""

    seqs: array[int]
    utc: array[float]
    shown: array[float]
    moments: tuple[Moment, ...] = ()

    def __len__(self) -> int:
        return len(self.seqs)

    def after_seq(self, seq: int) -> int:
        """How many events are shown right after event `seq` (or after the last one before it)."""
        return bisect.bisect_right(self.seqs, seq)

    def after_utc(self, utc: float) -> int:
        """How many events are shown at that time of day; clocks that were set back are taken as they were written."""
        return bisect.bisect_right(self.utc, utc)


def timeline(records: Iterable[Record], idle: float = IDLE) -> Timeline:
    """The timeline of records in order."""
    seqs, utc, shown = array("q"), array("d"), array("d")
    moments: list[Moment] = []
    meters = Meters()
    at = 0.0
    for index, record in enumerate(records):
        at += min(max(0.0, record.utc - utc[-1]), idle) if utc else 0.0
        seqs.append(record.seq)
        utc.append(record.utc)
        shown.append(at)
        found = moment(index, record) or meters.moment(index, record)
        if found is not None:
            moments.append(found)
    return Timeline(seqs=seqs, utc=utc, shown=shown, moments=tuple(moments))


def moment(index: int, record: Record) -> Moment | None:
    """What an event is as a moment to go to; None for one among many."""
    match record.event:
        case StepMoved(ref=ref, state=state):
            return Moment(index=index, kind="failure" if state in FAILURES else "step", ref=ref, text=state)
        case GateOpened(gate=gate, by=by):
            return Moment(index=index, kind="gate", text=f"{gate} opened by {by}")
        case GateClosed(gate=gate, reason=reason):
            return Moment(index=index, kind="gate", text=f"{gate} closed: {reason}")
        case Noted(text=text, ref=ref):
            return Moment(index=index, kind="note", ref=ref, text=text)
        case BudgetAlarm(service=service, share=share):
            return Moment(index=index, kind="budget", ref=service, text=f"{share:.0%} of its budget of downtime")
        case WheelTaken(driver=driver):
            return Moment(index=index, kind="wheel", text=f"{driver} drives")
        case WheelLost(driver=driver, reason=reason):
            return Moment(index=index, kind="wheel", text=f"{driver} does not drive any more: {reason}")
        case Trouble(message=message):
            return Moment(index=index, kind="trouble", text=message)
        case RunPanicked():
            return Moment(index=index, kind="trouble", text="panic")
        case RunEnded(verdict=verdict):
            return Moment(index=index, kind="end", text=verdict)
        case Unknown(name=name):
            return Moment(index=index, kind="unknown", text=f"{name}: an event of another version")
        case _:
            return None


class Meters:
    """Which meters of downtime run. Feed it the records in order: it tells when one begins and when it ends."""

    def __init__(self) -> None:
        self._running: set[tuple[str, str]] = set()

    def moment(self, index: int, record: Record) -> Moment | None:
        """The beginning or the end of a service's outage; None where nothing changes. The whole night's sum is no moment."""
        event = record.event
        if not isinstance(event, DowntimeSeen) or not event.service:
            return None
        meter = (event.service, event.meter)
        if event.ongoing == (meter in self._running):
            return None
        what = f"{event.what} {event.meter}".rstrip()
        if event.ongoing:
            self._running.add(meter)
            return Moment(index=index, kind="away", ref=event.service, text=what)
        self._running.discard(meter)
        text = f"{what}, {event.lower:.1f}–{event.upper:.1f} s in all"
        return Moment(index=index, kind="back", ref=event.service, text=text)
