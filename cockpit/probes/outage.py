"""How long a service was away, from samples: a lower and an upper bound, never one number. Pure."""

from __future__ import annotations

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """One request: when it was sent and when it ended (monotonic seconds), whether the answer was good, and whether what
    went wrong was silence (stalled) and not a refusal or a wrong answer."""

    sent: float
    ended: float
    ok: bool
    stalled: bool = False


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of outage so far."""

    lower: float = 0.0
    upper: float = 0.0
    ongoing: bool = False
    failed: int = 0
    stalled: int = 0
    samples: int = 0


class Outage:
    """Adds up outages over samples in the order in which they were sent.

    A failed request saw the service away at some moment between sending and its end; a good one saw it there. So an outage
    lasted at least from the end of its first failure to the sending of its last one, and at most from the sending of the last
    good request before to the end of the first good one after."""

    def __init__(self) -> None:
        self._closed_lower = 0.0
        self._closed_upper = 0.0
        self._good: float | None = None
        self._first_failed_end: float | None = None
        self._last_failed_sent = 0.0
        self._began_after = 0.0
        self._failed = self._stalled = self._samples = 0

    def add(self, sample: Sample) -> None:
        """Take the next sample."""
        self._samples += 1
        if sample.ok:
            if self._first_failed_end is not None:
                self._closed_lower += self._lower()
                self._closed_upper += max(0.0, sample.ended - self._began_after)
                self._first_failed_end = None
            self._good = sample.sent
            return
        self._stalled += sample.stalled
        self._failed += not sample.stalled
        if self._first_failed_end is None:
            self._first_failed_end = sample.ended
            self._began_after = sample.sent if self._good is None else self._good
        self._last_failed_sent = sample.sent

    def bounds(self, now: float) -> Bounds:
        """What is known at `now` (monotonic seconds)."""
        lower, upper = self._closed_lower, self._closed_upper
        ongoing = self._first_failed_end is not None
        if ongoing:
            lower += self._lower()
            upper += max(0.0, now - self._began_after)
        return Bounds(
            lower=lower, upper=upper, ongoing=ongoing, failed=self._failed, stalled=self._stalled, samples=self._samples
        )

    def _lower(self) -> float:
        return max(0.0, self._last_failed_sent - (self._first_failed_end or 0.0))
