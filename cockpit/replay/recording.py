"""A recording: the events of a finished run by their place, and the state after any number of them.

What moves through it (cockpit/replay/player.py) asks for three things only: `timeline`, `records` and `state_after`.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from cockpit.events import Record
from cockpit.reduce import reduce
from cockpit.replay.stores import FileStore, ListStore
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
    def complete(self) -> bool:
        """Whether the timeline holds all of the recording."""
        ...

    @property
    def total(self) -> int:
        """How many events there are, an estimate while it is not complete."""
        ...

    @property
    def notice(self) -> str:
        """A sentence that must stay on the screen, '' for none."""
        ...

    def records(self, first: int, last: int) -> list[Record]:
        """The events of the places `first` to `last` (not with it), from 0."""
        ...

    def nearest(self, seq: int) -> RunState | None:
        """The latest whole state at or before event `seq` that needs no folding; None for the beginning."""
        ...

    def close(self) -> None:
        """Let go of files and processes."""
        ...


def never() -> bool:
    """Nobody has changed their mind."""
    return False


class Recording:
    """Random access to a recording. Reading only; safe to be asked from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: dict[int, RunState] = {0: RunState()}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, file: Path) -> Recording:
        """The recording of a journal file. Raises OSError for one that cannot be read."""
        return cls(FileStore(file))

    @classmethod
    def of(cls, records: Sequence[Record]) -> Recording:
        """A recording of records that are in memory."""
        return cls(ListStore(records))

    @property
    def timeline(self) -> Timeline:
        """What is known of all events so far. It grows until `complete`; what it holds does not change."""
        return self._store.timeline

    @property
    def complete(self) -> bool:
        """Whether the timeline holds all of the recording."""
        return self._store.complete

    @property
    def total(self) -> int:
        """How many events there are; an estimate until `complete`."""
        return max(self._store.total, len(self._store.timeline))

    @property
    def notice(self) -> str:
        """What must stay on the screen about the recording itself: how far it is read, and its damages. '' for nothing."""
        return self._store.notice

    def records(self, first: int, last: int) -> list[Record]:
        """The events of the places `first` to `last` (not with it), from 0. Meant for hundreds: they are decoded now."""
        return self._store.records(first, min(last, len(self.timeline)))

    def state_after(self, count: int, stop: Callable[[], bool] = never) -> RunState | None:
        """The state after the first `count` events. Blocks for tens of milliseconds, or for as long as it takes where no keyframe
        is near: `stop` is asked now and then, and once it says yes the answer is None."""
        timeline = self.timeline
        count = max(0, min(count, len(timeline)))
        at, state = self._remembered(count)
        if count - at > GRAIN:
            frame = self._store.nearest(timeline.seqs[count - 1])
            place = timeline.after_seq(frame.seq) if frame is not None else 0
            if frame is not None and place > at:
                at, state = place, frame
        while at < count:
            upto = min(count, (at // GRAIN + 1) * GRAIN)
            for record in self._store.records(at, upto):
                state = reduce(state, record)
            at = upto
            self._remember(at, state)
            if at < count and stop():
                return None
        return state

    def close(self) -> None:
        """Let go of files and processes."""
        self._store.close()

    def _remembered(self, count: int) -> tuple[int, RunState]:
        with self._lock:
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
