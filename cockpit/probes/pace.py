"""When each question is due, and how many may be under way: an open loop, in which a slow answer delays no other probe's
question."""

from __future__ import annotations

import math
import random
import resource
from collections.abc import Callable

LEAST_ROOM, MOST_ROOM = 64, 1024
TICK = 0.1


class Pace:
    """The grid of one probe: a question every `every` seconds, each moved by at most `jitter` of that either way. What fell
    due while the question before was still out is left out and counted. Pure, but for the chance it is given."""

    def __init__(
        self, every: float, jitter: float, now: float, chance: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._every = every
        self._jitter = min(jitter, 0.5)
        self._chance = chance
        # Probes begin close together, to be seen soon, and then spread over their interval.
        self._next = now + every * chance(0.5, 1.0)
        self.missed = 0

    def wait(self, now: float) -> float:
        """Seconds from `now` until the next question. Call it once after each."""
        if self._next < now:
            late = math.ceil((now - self._next) / self._every)
            self.missed += late
            self._next += late * self._every
        due = self._next + self._every * self._jitter * (self._chance(-1.0, 1.0) if self._jitter else 0.0)
        self._next += self._every
        # Questions that fall due almost together wake the process once.
        tick = min(TICK, self._every / 20)
        return max(0.0, math.ceil(due / tick) * tick - now)


class Room:
    """How many questions may be under way at once. One that finds none is left out, not delayed, and counted."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.out = 0
        self.dropped = 0

    def enter(self) -> bool:
        """Whether there is room; if so it is taken until `leave`."""
        if self.out >= self.most:
            self.dropped += 1
            return False
        self.out += 1
        return True

    def leave(self) -> None:
        """Give it back."""
        self.out -= 1


def room_here() -> int:
    """Questions that may be under way in this process: half of the files it may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return LEAST_ROOM if soft < 0 else max(LEAST_ROOM, min(MOST_ROOM, soft // 2))
