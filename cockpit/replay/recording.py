"""A recording: the events of a finished run by their place, and the state after any number of them.

What moves through it (cockpit/replay/player.py) asks for three things only: `timeline`, `records` and `state_after`.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from cockpit.events import Record
from cockpit.reduce import reduce
from cockpit.replay.stores import FileStore, Known, ListStore
from cockpit.replay.timeline import Timeline
from cockpit.state import RunState

GRAIN = 100
"""Events between two states that are remembered on the way to a place: what a step back folds at the most."""

REMEMBERED = 400
"""States that are remembered. They share what did not change between them."""


class Store(Protocol):
    """Where the events come from."""

    @property
    def timeline(self) -> Timeline:
        """What is known of all events so far; it may grow."""
        ...

    @property
    def known(self) -> Known:
        """What is known of the recording as a whole: how far it is read and checked, and its damages."""
        ...

    def records(self, first: int, last: int) -> list[Record]:
        """The events of the places `first` to `last` (not with it), from 0."""
        ...

    def nearest(self, count: int) -> tuple[int, RunState] | None:
        """The latest whole state at or before the first `count` events that needs no folding, and after how many it is."""
        ...

    def close(self) -> None:
        """Let go of files and processes."""
        ...


LOOK_AGAIN = 5000
"""Events that are folded before it is asked again whether a whole state is nearer."""


def never() -> bool:
    """Nobody has changed their mind."""
    return False


class Recording:
    """Random access to a recording. Reading only; safe to be asked from several threads."""

    def __init__(self, store: Store, file: Path = Path()) -> None:
        self._store = store
        self._file = file
        self._states: dict[int, RunState] = {0: RunState()}
        self._damaged = 0
        self._lock = threading.Lock()

    @classmethod
    def open(cls, file: Path) -> Recording:
        """The recording of a journal file. What is wrong in it is told by `known` and `notice`. Raises JournalUnreadable for
        what is no file, or may not be read."""
        return cls(FileStore(file), file)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Recording:
        """A recording of records that are in memory."""
        return cls(ListStore(records))

    @property
    def timeline(self) -> Timeline:
        """What is known of all events so far. It grows until `complete`; what it holds does not change."""
        return self._store.timeline

    @property
    def known(self) -> Known:
        """What is known of the recording as a whole: how far it is read and checked, and its damages. It grows."""
        return self._store.known

    @property
    def complete(self) -> bool:
        """Whether the timeline holds all of the recording."""
        return self._store.known.complete

    @property
    def total(self) -> int:
        """How many events there are; an estimate until `complete`."""
        known, count = self._store.known, len(self._store.timeline)
        return count if known.complete or not known.read else max(count, round(count * known.size / known.read))

    @property
    def condition(self) -> str:
        """How far the recording is read and checked, in a few words for the transport bar."""
        known = self._store.known
        if not known.complete:
            return f"read {known.read / max(known.size, 1):.0%}"
        if known.damaged:
            return "1 damage" if known.damaged == 1 else f"{known.damaged} damages"
        if not known.done:
            return f"checked {known.checked / max(known.size, 1):.0%}"
        return "chain whole" if known.head else ""

    @property
    def notice(self) -> str:
        """A sentence that must stay on the screen: what is wrong with the recording, and where. '' for nothing."""
        known = self._store.known
        if known.damages:
            first = known.damages[0].sentence(Path(self._file.name))
            more = f"; {known.damaged - 1} more" if known.damaged > 1 else ""
            return f"{first}{more}; the rest is shown"
        if known.torn or known.notes:
            return known.torn or known.notes[0].sentence(Path(self._file.name))
        return ""

    def records(self, first: int, last: int) -> list[Record]:
        """The events of the places `first` to `last` (not with it), from 0. Meant for hundreds: they are decoded now."""
        return self._store.records(first, min(last, len(self.timeline)))

    def state_after(self, count: int, stop: Callable[[], bool] = never) -> RunState | None:
        """The state after the first `count` events. Blocks for tens of milliseconds, or for as long as it takes where no keyframe
        is near: `stop` is asked now and then, and once it says yes the answer is None."""
        timeline = self.timeline
        count = max(0, min(count, len(timeline)))
        at, state = self._remembered(count)
        looked = at
        while at < count:
            if count - at > GRAIN and at >= looked:
                # Where none is near, the survey may have come further meanwhile.
                frame = self._store.nearest(count)
                at, state = frame if frame is not None and frame[0] > at else (at, state)
                looked = at + LOOK_AGAIN
            upto = min(count, (at // GRAIN + 1) * GRAIN)
            for record in self._store.records(at, upto):
                state = reduce(state, record)
            at = upto
            self._remember(at, state)
            if at < count and stop():
                return None
        return state

    def wait_for_an_event(self) -> bool:
        """Wait until an event is known, or that there is none. Whether there is one."""
        while not len(self.timeline) and not self.known.done:
            time.sleep(0.01)
        return len(self.timeline) > 0

    def nothing(self) -> str:
        """Why there is nothing to show, as a sentence."""
        known = self.known
        why = known.damages[0].sentence(self._file) if known.damages else known.torn
        return f"{self._file} holds no event that can be read; {why}"

    def close(self) -> None:
        """Let go of files and processes."""
        self._store.close()

    def _remembered(self, count: int) -> tuple[int, RunState]:
        damaged = self._store.known.damaged
        with self._lock:
            if damaged != self._damaged:
                # What was folded from a keyframe holds what the damaged journal does not tell.
                self._states, self._damaged = {0: RunState()}, damaged
            places = sorted(self._states)
            at = places[bisect.bisect_right(places, count) - 1]
            state = self._states.pop(at)
            self._states[at] = state  # The youngest stands last.
            return at, state

    def _remember(self, at: int, state: RunState) -> None:
        with self._lock:
            self._states.pop(at, None)
            self._states[at] = state
            while len(self._states) > REMEMBERED:
                # The beginning is always there.
                del self._states[next(place for place in self._states if place)]
