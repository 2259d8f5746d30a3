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

    @property
    def surveying(self) -> bool:
        """Whether something is still being found out."""
        ...

    @property
    def survey_process(self) -> int:
        """The process that finds it out; 0 without one."""
        ...

    def close(self) -> None:
        """Let go of files and processes."""
        ...


WAYS = 4
"""Ways that are remembered; the states of two ways share nothing, and one takes some megabytes."""

STATES = 200
"""States that are remembered of a way."""

LOOK_AGAIN = 2000
"""Events that are folded before it is asked again whether a whole state is nearer."""


def never() -> bool:
    """Nobody has changed their mind."""
    return False


class Way:
    """States on the way from a whole state onwards, by how many events they are after. They share what did not change."""

    def __init__(self, first: int, state: RunState) -> None:
        self.first = first
        self._places = [first]
        self._states = [state]

    def nearest(self, count: int) -> tuple[int, RunState]:
        """The last state at or before a place, which is `first` or behind it."""
        index = max(0, bisect.bisect_right(self._places, count) - 1)
        return self._places[index], self._states[index]

    def keep(self, at: int, state: RunState) -> None:
        """Remember a state; among many, one that is not much used goes."""
        index = bisect.bisect_left(self._places, at)
        if index < len(self._places) and self._places[index] == at:
            return
        self._places.insert(index, at)
        self._states.insert(index, state)
        if len(self._places) > STATES:
            gone = 1 if index > STATES // 2 else STATES - 1
            del self._places[gone]
            del self._states[gone]


class Recording:
    """Random access to a recording. Reading only; safe to be asked from several threads."""

    def __init__(self, store: Store, file: Path = Path()) -> None:
        self._store = store
        self._file = file
        self._ways = [Way(0, RunState())]
        """What was folded lately, the youngest last; one of them begins at the beginning. Only looked at under the lock."""
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
    def surveying(self) -> bool:
        """Whether something is still being found out about it."""
        return self._store.surveying

    @property
    def survey_process(self) -> int:
        """The process that finds it out; 0 without one."""
        return self._store.survey_process

    @property
    def damaged(self) -> bool:
        """Whether something in it is not as it was written, as far as that is known."""
        return bool(self._store.known.damaged)

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
        way, at, state = self._way(count)
        looked = at
        while at < count:
            if count - at > GRAIN and at >= looked:
                # Where none is near, the survey may have come further meanwhile.
                frame = self._store.nearest(count)
                if frame is not None and frame[0] > at:
                    at, state = frame
                    way = self._new_way(at, state)
                looked = at + LOOK_AGAIN
            upto = min(count, (at // GRAIN + 1) * GRAIN)
            for record in self._store.records(at, upto):
                state = reduce(state, record)
            at = upto
            with self._lock:
                way.keep(at, state)
            if at < count and stop():
                return None
        return state

    def _way(self, count: int) -> tuple[Way, int, RunState]:
        """The way that comes nearest to a place, and how near: after how many events, and the state there."""
        damaged = self._store.known.damaged
        with self._lock:
            if damaged != self._damaged:
                # What was folded from a keyframe holds what the damaged journal does not tell.
                self._ways, self._damaged = [Way(0, RunState())], damaged
            way = max(self._ways, key=lambda way: way.nearest(count)[0] if way.first <= count else -1)
            self._ways.remove(way)
            self._ways.append(way)
            return way, *way.nearest(count)

    def _new_way(self, at: int, state: RunState) -> Way:
        way = Way(at, state)
        with self._lock:
            self._ways.append(way)
            while len(self._ways) > WAYS:
                # The beginning is always there.
                self._ways.remove(next(way for way in self._ways if way.first))
        return way

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
