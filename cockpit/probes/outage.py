"""How long a service was away, from samples: a lower and an upper bound, never one number. Pure.

A sample is a request. What it proves:

- a good one, that the service was there at some instant between sending and its answer;
- a failed one, that it was away at some instant between sending and its end;
- a stalled one (no answer within `slow`), that it was away at some instant of the first half of `slow`, since a service that is
  there answers in that.

Two samples that saw it away, with none between them that can have seen it there, are of one outage: the time between is in the
lower bound. An outage that was seen began after a sample that surely saw the service before it and ended before one that
surely saw it after: the time between those is in the upper bound. Where samples were due and could not be sent, all of that
time is in the upper bound and none of it in the lower. An outage that falls between two samples is not seen.

So for each outage the bounds are apart by two intervals, twice `slow` where it stalled, and what the answers took.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec

from cockpit.probes.spans import Spans

Saw = Literal["good", "failed", "stalled"]


class Sample(msgspec.Struct, frozen=True):
    """One request: when it was sent and when it was decided (seconds of one clock that never steps back), and what it saw."""

    sent: float
    ended: float
    saw: Saw = "good"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of outage so far. `known` is the instant up to which they are right, whatever comes next."""

    lower: float = 0.0
    upper: float = 0.0
    ongoing: bool = False
    failed: int = 0
    stalled: int = 0
    samples: int = 0
    missed: int = 0
    known: float = 0.0


class Outage:
    """Adds up outages over samples in the order in which they were sent. `lower` and `upper` get
    the same stretches, to be added up with those of others."""

    def __init__(self, slow: float = 0.0, lower: Spans | None = None, upper: Spans | None = None) -> None:
        self._half = slow / 2
        self._lowers = tuple(spans for spans in (Spans(), lower) if spans is not None)
        self._uppers = tuple(spans for spans in (Spans(), upper) if spans is not None)
        self._failed = self._stalled = self._samples = self._missed = 0
        self._last_sent: float | None = None
        self._last_bad = False
        # Of what was seen there: goods that may have been there after the next sample was sent, and the last one surely before.
        self._goods: deque[Sample] = deque()
        self._good_until = float("-inf")
        self._surely_there: float | None = None
        self._last_good: float | None = None
        # The stretch of the upper bound that is open: since when, and what must have ended before a good one closes it.
        self._open: float | None = None
        self._seen_until = float("-inf")
        # The run of samples that saw it away: from when on for certain, until when for certain, and what is not certain yet.
        self._away_from = float("inf")
        self._away: deque[tuple[float, float]] = deque()

    @property
    def ongoing(self) -> bool:
        """Whether the last sample saw it away."""
        return self._last_bad

    @property
    def open(self) -> float | None:
        """Since when the stretch of the upper bound goes on that no good sample has ended yet."""
        return self._open

    def add(self, sample: Sample) -> None:
        """Take the next sample."""
        self._samples += 1
        self._failed += sample.saw == "failed"
        self._stalled += sample.saw == "stalled"
        while self._goods and self._goods[0].ended <= sample.sent:
            self._surely_there = self._goods.popleft().sent
        self._settle(sample.sent)
        if sample.saw == "good":
            self._there(sample)
        else:
            until = sample.ended if sample.saw == "failed" else sample.sent + self._half
            self._gone(sample.sent, until)
        self._last_sent = sample.sent
        self._last_bad = sample.saw != "good"

    def miss(self, count: int, until: float) -> None:
        """So many samples were due before `until` and could not be sent."""
        self._missed += count
        if self._last_sent is None:
            return
        self._settle(until)
        self._end_run()
        if self._open is None:
            self._open = self._last_sent
        self._seen_until = max(self._seen_until, until)

    def bounds(self, now: float) -> Bounds:
        """What is known at `now`."""
        begin = self._open if self._open is not None else now
        known = now if self._open is not None or self._last_good is None else self._last_good
        return Bounds(
            lower=self._lowers[0].total(),
            upper=self._uppers[0].total([(begin, now)]),
            ongoing=self.ongoing,
            failed=self._failed,
            stalled=self._stalled,
            samples=self._samples,
            missed=self._missed,
            known=known,
        )

    def _there(self, sample: Sample) -> None:
        self._end_run()
        if self._open is not None and sample.sent >= self._seen_until:
            for spans in self._uppers:
                spans.add(self._open, sample.ended)
            self._open = None
        self._goods.append(sample)
        self._good_until = max(self._good_until, sample.ended)
        self._last_good = sample.sent

    def _gone(self, begin: float, until: float) -> None:
        """Away at some instant of this stretch."""
        if self._open is None:
            self._open = begin if self._surely_there is None else self._surely_there
        self._seen_until = max(self._seen_until, until)
        if begin >= self._good_until:
            self._away_from = min(self._away_from, until)
        self._away.append((begin, until))

    def _settle(self, sent: float) -> None:
        """What ended before anything that is sent from now on was seen before it."""
        while self._away and self._away[0][1] <= sent:
            begin, _ = self._away.popleft()
            for spans in self._lowers:
                spans.add(self._away_from, begin)

    def _end_run(self) -> None:
        self._away_from = float("inf")
        self._away.clear()
