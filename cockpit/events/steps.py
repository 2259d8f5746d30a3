"""Events of steps and of what they move."""

from __future__ import annotations

from typing import Literal

from cockpit.events.base import Event
from cockpit.plan.model import Op

StepState = Literal[
    "draft",
    "blocked",
    "ready",
    "running",
    "verifying",
    "done",
    "already",
    "waiting",
    "failed",
    "unverified",
    "unknown",
    "skipped",
    "undoing",
    "undone",
    "undo_failed",
    "drifted",
]
FAILURES: frozenset[str] = frozenset({"failed", "unverified", "unknown", "undo_failed", "drifted"})
"""States in which a step needs a person."""


class StepIntended(Event, frozen=True, kw_only=True, tag="step.intended"):
    """Written and synced before apply or undo touches anything."""

    ref: str
    attempt: int
    op: Op
    job: str
    """Name of the detached job, the same after a crash."""
    host: str = ""
    identity: str = ""


class StepMoved(Event, frozen=True, kw_only=True, tag="step.moved"):
    """A step entered a state. `detail` says why or what was seen. `took` is seconds since the attempt began."""

    ref: str
    attempt: int
    state: StepState
    op: Op | None = None
    detail: str = ""
    until: float = 0.0
    """UTC at which a `waiting` ends, 0 when not known."""
    took: float = 0.0
    verified: bool = False


class StepCaptured(Event, frozen=True, kw_only=True, tag="step.captured"):
    """What undo will need of the state before the act, by name; synced before the act."""

    ref: str
    attempt: int
    captured: dict[str, str]


class StepApplied(Event, frozen=True, kw_only=True, tag="step.applied"):
    """The outcome of apply or undo, synced before anything is built on it."""

    ref: str
    attempt: int
    op: Op
    outcome: Literal["ok", "failed", "unknown"]
    exit: int | None = None
    detail: str = ""
    took: float = 0.0


class StepOutput(Event, frozen=True, kw_only=True, tag="step.output"):
    """Harmless lines of a step's output, and where the raw bytes are (`file` in the run folder, offset, length)."""

    ref: str
    attempt: int
    op: Op
    stream: Literal["out", "err"]
    lines: tuple[str, ...]
    file: str = ""
    offset: int = 0
    length: int = 0


class StepProgress(Event, frozen=True, kw_only=True, tag="step.progress"):
    """How far an act has come."""

    ref: str
    fraction: float
    """0 to 1; -1 when the total is not known."""
    detail: str = ""


class StepLimited(Event, frozen=True, kw_only=True, tag="step.limited"):
    """A copy may move so many bytes a second from now on; 0 for as many as it can."""

    ref: str
    rate: int


class SyncPassed(Event, frozen=True, kw_only=True, tag="sync.passed"):
    """A copy's pass ended well. The passes of a service predict its final one."""

    ref: str
    seconds: float
    bytes: int = 0
    """Of files that were brought over."""
    files: int = 0
    entries: int = 0
    """Looked at, whether they differed or not."""
    final: bool = False


class NoticeSent(Event, frozen=True, kw_only=True, tag="notice.sent"):
    """How far a notice to one receiver is. `sending` is on disk before anything leaves; what stays so was in doubt."""

    ref: str
    attempt: int
    to: str
    state: Literal["sending", "sent", "failed", "unknown"]
    detail: str = ""


class ServiceAdvancing(Event, frozen=True, kw_only=True, tag="service.advancing"):
    """Whether a service goes on by itself to the next gate."""

    service: str
    on: bool
    why: str = ""


class LossDeclared(Event, frozen=True, kw_only=True, tag="loss.declared"):
    """The operator accepted that going back loses what new took."""

    service: str
    writes: int
