"""How time runs in a replay: when each event is shown, with idle time cut as short as one likes, and where it was cut."""

from __future__ import annotations

import bisect
import math
from array import array
from collections.abc import Sequence
from itertools import accumulate, islice, repeat
from operator import sub

import msgspec

from cockpit.replay.timeline import IDLE, Timeline

PIECE = 100_000
"""Events looked at for cuts in one go: some milliseconds."""


class Cut(msgspec.Struct, frozen=True):
    """So many seconds before the event at that place (from 0) are left out."""

    index: int
    seconds: float


class Course:
    """The times at which the events of a recording are shown, seconds from the beginning, with idle time cut to `idle` seconds.
    It follows a timeline that grows."""

    def __init__(self, idle: float = IDLE) -> None:
        self.idle = idle
        self.cuts: list[Cut] = []
        self._own = array("d")
        self._shown: Sequence[float] = self._own
        self._seen = 0

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def shown(self) -> Sequence[float]:
        """When each event is shown."""
        return self._shown

    @property
    def length(self) -> float:
        """Seconds that all of it takes at single speed."""
        return self._shown[-1] if len(self._shown) else 0.0

    def follow(self, timeline: Timeline) -> None:
        """Take note of what the timeline holds now. Cheap where nothing is new; what is new of a long one, in pieces."""
        if self.idle == IDLE:
            self._shown = timeline.shown
        else:
            self._extend(timeline)
        if self._seen < len(timeline) and not math.isinf(self.idle):
            self._find_cuts(timeline)

    def after(self, shown: float) -> int:
        """How many events are shown so many seconds after the beginning."""
        return bisect.bisect_right(self._shown, shown)

    def cut_before(self, index: int) -> float:
        """Seconds that are left out right before the event at that place."""
        place = bisect.bisect_left(self.cuts, index, key=lambda cut: cut.index)
        return self.cuts[place].seconds if place < len(self.cuts) and self.cuts[place].index == index else 0.0

    def _extend(self, timeline: Timeline) -> None:
        have, there = len(self._own), len(timeline)
        if not have and there:
            self._own.append(0.0)
            have = 1
        if have < there:
            clipped = map(min, map(max, _gaps(timeline, have, there), repeat(0.0)), repeat(self.idle))
            self._own.extend(islice(accumulate(clipped, initial=self._own[-1]), 1, None))

    def _find_cuts(self, timeline: Timeline) -> None:
        first = max(1, self._seen)
        last = min(len(timeline), first + PIECE)
        idle = self.idle
        gaps = _gaps(timeline, first, last)
        self.cuts += [Cut(first + place, gap - idle) for place, gap in enumerate(gaps) if gap > idle]
        self._seen = last


def _gaps(timeline: Timeline, first: int, last: int) -> array[float]:
    """Seconds between each of the events `first` to `last` (not with it) and the one before it."""
    return array("d", map(sub, timeline.utc[first:last], timeline.utc[first - 1 : last - 1]))
