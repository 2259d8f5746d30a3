"""Stretches of time, added up so that none counts twice. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

MOST = 2000
"""Stretches kept apart; the oldest are folded into a sum. What is added later than that is far newer than they are."""


class Spans:
    """A union of stretches [begin, end], in seconds of one clock."""

    def __init__(self) -> None:
        self._begins: list[float] = []
        self._ends: list[float] = []
        self._sum = 0.0
        self._folded_until = float("-inf")

    def add(self, begin: float, end: float) -> None:
        """One more stretch; nothing where it is empty."""
        begin = max(begin, self._folded_until)
        if end <= begin:
            return
        first = bisect_left(self._ends, begin)
        last = bisect_right(self._begins, end)
        self._sum -= sum(self._ends[first:last]) - sum(self._begins[first:last])
        if first < last:
            begin, end = min(begin, self._begins[first]), max(end, self._ends[last - 1])
        self._begins[first:last] = [begin]
        self._ends[first:last] = [end]
        self._sum += end - begin
        if len(self._begins) > MOST:
            self._folded_until = self._ends[0]
            del self._begins[0], self._ends[0]

    def total(self, more: Iterable[tuple[float, float]] = ()) -> float:
        """Seconds of the union, and of what `more` adds to it."""
        extra = [(begin, end) for begin, end in more if end > begin]
        if not extra:
            return self._sum
        whole = Spans()
        for begin, end in extra:
            whole.add(max(begin, self._folded_until), end)
        return self._sum + sum(self._uncovered(*span) for span in zip(whole._begins, whole._ends, strict=True))

    def _uncovered(self, begin: float, end: float) -> float:
        left = end - begin
        for number in range(bisect_left(self._ends, begin), len(self._begins)):
            if self._begins[number] >= end:
                break
            left -= min(end, self._ends[number]) - max(begin, self._begins[number])
        return left
