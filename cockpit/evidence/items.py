"""Pieces of evidence, and the words they have in common. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.freshness import FRESH, allowed
from cockpit.plan.base import Side
from cockpit.state import RunState

__all__ = ["FRESH", "Item", "Kind", "Sum", "Sureness", "allowed", "side_of", "span", "stale"]

Kind = Literal[
    "authorities",
    "delegation",
    "horizon",
    "caches",
    "traffic",
    "queue",
    "stragglers",
    "token",
    "writer",
    "health",
    "certificates",
]
Sureness = Literal["proof", "bound", "estimate"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence. `text` says what is so, `missing` what is not yet, '' when nothing is. `eta` is the UTC at which it
    will hold if nothing else happens, 0 when that is not known."""

    what: Kind
    ok: bool
    text: str
    sure: Sureness
    missing: str = ""
    eta: float = 0.0


class Sum:
    """Makes one piece of evidence of what several hosts say."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._lacking: list[tuple[str, float]] = []

    def says(self, text: str) -> None:
        """What is so, as a piece of the text."""
        self._texts.append(text)

    def lacks(self, missing: str, eta: float = 0.0) -> None:
        """Something is missing, '' for nothing; `eta` as in `Item`."""
        if missing:
            self._lacking.append((missing, eta))

    def item(self, what: Kind, sure: Sureness) -> Item:
        """What is missing first stands for the rest. When all will hold is known only when it is known of each."""
        etas = [eta for _, eta in self._lacking]
        return Item(
            what=what,
            ok=not self._lacking,
            text="; ".join(self._texts),
            sure=sure,
            missing=self._lacking[0][0] if self._lacking else "",
            eta=max(etas) if etas and all(etas) else 0.0,
        )


def side_of(state: RunState, host: str) -> Side | None:
    """Whether a host of the plan is old or new; None for any other one, and while there is no plan."""
    planned = state.plan.hosts.get(host) if state.plan is not None else None
    return planned.role if planned is not None and planned.role != "other" else None


def stale(what: str, utc: float, now: float, limit: float) -> str:
    """Why an observation is no evidence: it is older than `limit` seconds, or was never made. '' when it is evidence."""
    if not utc:
        return f"nothing was heard of {what}"
    return f"{what} was last heard {span(now - utc)} ago, more than {span(limit)}" if now - utc > limit else ""


def span(seconds: float) -> str:
    """A time that a person can wait for."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole / 3600:.1f} h"
