"""What a meter has measured over all lives of the prober and of the run, against its budget. Pure."""

from __future__ import annotations

import math
from typing import Literal

from cockpit.events import BudgetAlarm, DowntimeSeen
from cockpit.probes.downtime.wire import Reading
from cockpit.state import DownView

SHARES = (1.0, 0.75)
"""Shares of a budget at which somebody has to know, the largest first."""

AGAIN = 5.0
"""Seconds after which an unchanged figure is told again, so that it stays fresh."""


class Account:
    """One meter's, or with `service` '' the night's. `before` is what earlier runs measured."""

    def __init__(
        self,
        service: str,
        meter: str,
        what: Literal["read", "write"],
        budget: float,
        every: float,
        before: DownView,
    ) -> None:
        self._service, self._meter, self._what = service, meter, what
        self._budget, self._every = budget, every
        self._base = before
        self._seen = before
        self._known: float | None = None
        self._unknown_since: float | None = None
        self._alarmed = self._share(before.upper)
        self._told: DownView | None = None
        self._told_at = 0.0

    def lose_sight(self, since: float | None = None) -> None:
        """From now on, or since an instant of the prober's clock, nothing is known until its next reading."""
        since = self._known if since is None else since
        if self._unknown_since is None:
            # A process that died before it had measured anything has ended no gap.
            self._unknown_since = since
        self._base = self._seen

    def take(self, reading: Reading, at: float) -> None:
        """The prober's reading at an instant."""
        base = self._base
        if self._unknown_since is not None:
            gap = max(0.0, reading.began - self._unknown_since)
            base = self._base = DownView(
                lower=base.lower,
                upper=base.upper + gap,
                failed=base.failed,
                stalled=base.stalled,
                samples=base.samples,
                missed=base.missed + int(gap / self._every),
            )
            self._unknown_since = None
        self._known = at if reading.ongoing else min(at, reading.known)
        self._seen = DownView(
            lower=_down(base.lower + reading.lower),
            upper=_up(base.upper + reading.upper),
            ongoing=reading.ongoing,
            failed=base.failed + reading.failed,
            stalled=base.stalled + reading.stalled,
            samples=base.samples + reading.samples,
            what=self._what,
            missed=base.missed + reading.missed,
        )

    def news(self, at: float, pause: float, utc: float = 0.0) -> list[DowntimeSeen | BudgetAlarm]:
        """What is worth telling at an instant, which is `utc` by the clock, at most every `pause` seconds."""
        seen, told = self._seen, self._told
        waited = at - self._told_at
        if told is not None and (waited < pause or (waited < AGAIN and _figures(seen) == _figures(told))):
            return []
        self._told, self._told_at = seen, at
        news: list[DowntimeSeen | BudgetAlarm] = [
            DowntimeSeen(
                service=self._service,
                lower=seen.lower,
                upper=seen.upper,
                ongoing=seen.ongoing,
                failed=seen.failed,
                stalled=seen.stalled,
                samples=seen.samples,
                meter=self._meter,
                what=self._what,
                missed=seen.missed,
                known=round(utc - (at - self._known), 3) if utc and self._known is not None else 0.0,
            )
        ]
        share = self._share(seen.upper)
        if share > self._alarmed:
            self._alarmed = share
            spent = round(seen.upper / self._budget, 3)
            news.append(
                BudgetAlarm(
                    service=self._service, meter=self._meter, share=spent, upper=seen.upper, budget=self._budget
                )
            )
        return news

    def _share(self, upper: float) -> float:
        if self._budget <= 0:
            return 0.0
        return next((share for share in SHARES if upper >= share * self._budget), 0.0)


def _figures(seen: DownView) -> tuple[object, ...]:
    return (seen.lower, seen.upper, seen.ongoing, seen.failed, seen.stalled, seen.missed)


def _down(seconds: float) -> float:
    return math.floor(seconds * 1000 + 1e-6) / 1000


def _up(seconds: float) -> float:
    return math.ceil(seconds * 1000 - 1e-6) / 1000
