"""What of many answers is worth an event: what changed, and now and then what did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from cockpit.events import DnsSeen, HorizonSeen, Term
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.horizon import Horizon

DRIFT = 0.5
"""Seconds by which a bound may move untold."""
ROUGHLY = 5.0
"""The same for an estimate."""


class Teller:
    """Tells for one watch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: dict[tuple[str, str], tuple[DnsSeen, float]] = {}
        self._horizon: Horizon | None = None
        self._beyond: dict[str, Term] = {}
        self._beyond_at = 0.0

    def seen(self, event: DnsSeen) -> None:
        """Tell it where it differs from the last of its vantage, or that one is old. How long it took, and what is left of a
        cache's TTL, differ each time."""
        now = self._desk.clock.utc()
        what = replace(event, ms=0.0, ttl=0 if event.role == "resolver" else event.ttl)
        before = self._told.get((event.role, event.vantage))
        if before is not None and before[0] == what and now - before[1] < self._desk.again:
            return
        self._told[event.role, event.vantage] = what, now
        self._desk.emit(event)

    def horizon(self, service: str, name: str, type: str, horizon: Horizon, beyond: Iterable[Term]) -> None:
        """Tell it at first, and where it moved. `beyond` are terms that do not count."""
        others = {term.what: term for term in beyond}
        before, now = self._horizon, self._desk.clock.utc()
        same = before is not None and abs(horizon.at - before.at) <= DRIFT and _alike(horizon.terms, before.terms)
        if same and not self._is_worth(others, now):
            return
        terms = tuple(sorted((*horizon.terms, *others.values()), key=lambda term: -term.at))
        self._horizon, self._beyond, self._beyond_at = horizon, others, now
        self._desk.emit(HorizonSeen(service=service, name=name, type=type, at=horizon.at, terms=terms))

    def _is_worth(self, beyond: Mapping[str, Term], now: float) -> bool:
        """Whether terms that do not count say something else. That of a cache that never lets go slides on with each answer: it
        is told again when what was told has passed."""
        if beyond.keys() != self._beyond.keys():
            return True
        if now - self._beyond_at < self._desk.again:
            return False
        told = self._beyond
        return any(told[what].at <= now or term.at < told[what].at - ROUGHLY for what, term in beyond.items())


def _alike(some: tuple[Term, ...], others: tuple[Term, ...]) -> bool:
    """Whether two lists of terms say the same."""
    before = {term.what: term for term in others}
    return len(some) == len(others) and all(
        term.what in before
        and term.sure == before[term.what].sure
        and abs(term.at - before[term.what].at) <= (ROUGHLY if term.sure == "estimate" else DRIFT)
        for term in some
    )
