"""A journal as shots of one screen over time: what a replay shows, at most ten times a second. One pass, nothing kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from cockpit.events import FAILURES, GateOpened, Record, RunEnded, RunPanicked, StepMoved
from cockpit.picture.ink import Span
from cockpit.reduce import reduce
from cockpit.replay.timeline import IDLE
from cockpit.state import RunState
from cockpit.ui.actions import Seat
from cockpit.ui.compose import label_of, screen
from cockpit.ui.inks import inked
from cockpit.ui.paint import Line, fit, when
from cockpit.ui.scrubber import WIDE
from cockpit.ui.view import View

RATE = 10
"""Shots in a second, at the most."""
TICK = 1.0
"""Seconds after which the clock is shown again where nothing happens."""

SEAT = Seat(can_drive=False, drives=False, replay=True, moves=True)


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, how fast, and from when to when."""

    view: View = View()
    size: tuple[int, int] = (120, 40)
    """Columns and rows."""
    speed: float = 1.0
    idle: float = IDLE
    """Seconds of a pause between two events that are shown; what is longer is cut to this."""
    begin: int = 0
    """The event with which it begins; 0 for the first."""
    end: int = 0
    """The event with which it ends; 0 for the last."""


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """The screen at one moment, `at` seconds after the first shot. `seq` is the last event that it shows, `now` UTC."""

    at: float
    seq: int
    now: float
    lines: tuple[tuple[Span, ...], ...]
    marks: tuple[str, ...] = ()
    """What began or went wrong since the shot before, with its time of day, UTC."""


def shot_of(
    state: RunState, camera: Camera, now: float, at: float = 0.0, marks: tuple[str, ...] = (), told: str = ""
) -> Shot:
    """The screen that shows a state. Where a replay has its transport, it says which event and which day that is, and `told`."""
    label = label_of("REPLAY", state.mode)
    bar = caption(state, now, camera.size[0], told)
    lines = screen(state, camera.view, SEAT, label, camera.size, now, bar=bar)
    return Shot(at=at, seq=state.seq, now=now, lines=tuple(inked(line) for line in lines), marks=marks)


def caption(state: RunState, now: float, width: int, told: str = "") -> list[Line]:
    """What stands where a replay has its transport, in as many lines, so that everything else is where it is there."""
    day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if now else ""
    lines: list[Line] = [[(f" {day}   event {state.seq}   {state.run}", "head")]]
    if width >= WIDE:
        lines.append([(f" {told}", "head")])
    return [fit(line, width, "head") for line in lines]


def shots(records: Iterable[Record], camera: Camera, state: RunState | None = None) -> Iterator[Shot]:
    """The shots of a recording, in order. `state` is where the records go on from; those that it holds are passed over.

    An event is on the first shot after it, and what it marks is on that shot, too. There is none when the recording ends
    before `camera.begin`."""
    state = state or RunState()
    done = state.seq
    clock = _Clock(camera)
    reel = _Reel(camera)
    for record in records:
        if record.seq <= done:
            continue
        if camera.end and record.seq > camera.end:
            break
        if record.seq < camera.begin:
            state = reduce(state, record)
            clock.skip(record)
            continue
        at = clock.shown(record)
        for due in reel.before(at):
            yield reel.take(state, due, clock.now(due))
        state = reduce(state, record)
        clock.take(record, at)
        reel.happened(at, mark_of(record))
    if reel.due is not None:
        yield reel.take(state, reel.due, clock.now(reel.due))


class _Clock:
    """When each event is shown, in seconds as played, and what time of day it is then."""

    def __init__(self, camera: Camera) -> None:
        self._speed, self._idle = camera.speed, camera.idle
        self._at, self._utc = 0.0, 0.0
        self._begun = False

    def skip(self, record: Record) -> None:
        """An event before the first shot."""
        self._utc = record.utc

    def shown(self, record: Record) -> float:
        """When this next event is to be shown."""
        if not self._begun:
            return 0.0
        return self._at + min(max(0.0, record.utc - self._utc), self._idle) / self._speed

    def take(self, record: Record, at: float) -> None:
        """It is shown."""
        self._begun, self._at, self._utc = True, at, record.utc

    def now(self, at: float) -> float:
        """UTC of a moment at or after the last event; it goes no further than what is shown of a pause."""
        return self._utc + min(max(0.0, (at - self._at) * self._speed), self._idle)


class _Reel:
    """When the next shot is due."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._last = -1.0 / RATE
        self._marks: list[str] = []
        self._told = ""
        self.due: float | None = None

    def happened(self, at: float, mark: str) -> None:
        """Something changed, `at` seconds after the first shot."""
        if self.due is None:
            self.due = max(at, self._last + 1.0 / RATE)
        if mark:
            self._marks.append(mark)

    def before(self, at: float) -> Iterator[float]:
        """The moments before `at` at which a shot is due: after a change, and each second while nothing changes."""
        if self._last < 0 and self.due is None:
            return
        if self.due is not None and self.due < at:
            yield self.due
        while self.due is None and self._last + TICK < at:
            yield self._last + TICK

    def take(self, state: RunState, at: float, now: float) -> Shot:
        """The shot of that moment."""
        marks, self._marks = tuple(self._marks), []
        self._last, self.due = at, None
        self._told = marks[-1] if marks else self._told
        return shot_of(state, self._camera, now, at, marks, self._told)


def mark_of(record: Record) -> str:
    """The label of an event that one may want to go to, with its time of day in UTC; '' for one among many."""
    at = f"{when(record.utc)} UTC"
    match record.event:
        case StepMoved(ref=ref, state="running" | "undoing" as state):
            return f"{at} {ref}" + (" is taken back" if state == "undoing" else "")
        case StepMoved(ref=ref, state=state) if state in FAILURES:
            return f"{at} ✗ {ref} {state}"
        case GateOpened(gate=gate, by=by):
            return f"{at} gate {gate} opened by {by}"
        case RunPanicked():
            return f"{at} panic"
        case RunEnded(verdict=verdict):
            return f"{at} ended: {verdict}"
        case _:
            return ""
