"""What people did during a night: each visit, write, message, login and line with its number and what became of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["visit", "write", "message", "login", "line"]
Outcome = Literal["taken", "refused", "unknown"]
"""`taken`: the server said so; `refused`: it said no, or was never reached, so nothing was taken; `unknown`: no answer came."""


@dataclass(frozen=True)
class Act:
    """One thing that one person did. `by` is the host that answered, where the answer says it."""

    kind: Kind
    service: str
    number: int
    outcome: Outcome
    by: str = ""
    detail: str = ""
    began: float = 0.0
    ended: float = 0.0
    """Monotonic seconds."""


@dataclass
class Ledger:
    """All acts, in the order in which they ended. Filled by many threads."""

    _acts: dict[tuple[Kind, str], list[Act]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, act: Act) -> None:
        """Write one down."""
        with self._lock:
            self._acts.setdefault((act.kind, act.service), []).append(act)

    def of(self, kind: Kind, service: str, outcome: Outcome | None = None) -> list[Act]:
        """The acts of a kind at a service, in order; all outcomes or one."""
        with self._lock:
            found = self._acts.get((kind, service), ())
            return [act for act in found if outcome is None or act.outcome == outcome]

    def numbers(self, kind: Kind, service: str, outcome: Outcome) -> set[int]:
        """The numbers of the acts that ended so."""
        return {act.number for act in self.of(kind, service, outcome)}

    def last(self, kind: Kind, service: str) -> int:
        """The highest number of a kind at a service, 0 without any."""
        return max((act.number for act in self.of(kind, service)), default=0)

    def services(self, kind: Kind) -> list[str]:
        """The services at which something of a kind was done."""
        with self._lock:
            return sorted(service for done, service in self._acts if done == kind)

    def all(self) -> dict[tuple[Kind, str], list[Act]]:
        """Every act, by its kind and service, in order."""
        with self._lock:
            return {place: list(acts) for place, acts in self._acts.items()}
