"""RunState: everything a view may know. `cockpit.reduce` makes it, as a pure fold of events."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit import events as ev
from cockpit.plan.model import Op, Plan, Step

RING = 400
"""Lines kept of each log and each step's output; older ones stay in the journal's files."""

TICKED: frozenset[str] = frozenset({"done", "already", "skipped"})
SETTLED: frozenset[str] = TICKED | {"undone"}
BUSY: frozenset[str] = frozenset({"running", "verifying", "undoing", "waiting"})


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all state: immutable, so that old states stay true."""


class StepView(Data, frozen=True, kw_only=True):
    """What is known of one step. `state` is `draft`, `blocked` (until `rules.readiness` says otherwise) or what happened."""

    ref: str
    state: ev.StepState = "blocked"
    attempt: int = 0
    op: Op | None = None
    detail: str = ""
    captured: dict[str, str] = {}
    intended: Op | None = None
    """An apply or undo whose outcome is not known yet."""
    applied: Literal["", "ok", "failed", "unknown"] = ""
    """Outcome of the last apply or undo that was intended; '' until it is known."""
    job: str = ""
    started: float = 0.0
    """UTC of the attempt's first move."""
    ended: float = 0.0
    took: float = 0.0
    until: float = 0.0
    fraction: float = -1.0
    progress: str = ""
    output: tuple[str, ...] = ()
    output_count: int = 0
    told: dict[str, int] = {}
    """Bytes of `out` and `err` of `job` that are in `output`."""
    limit: int = -1
    """Bytes a second that somebody set for a copy; -1 leaves it to the plan."""
    seq: int = 0


class HealthView(Data, frozen=True, kw_only=True):
    ok: bool
    ms: float
    status: int
    detail: str
    via: str
    bridged: bool
    utc: float


class DnsView(Data, frozen=True, kw_only=True):
    service: str
    name: str
    type: str
    vantage: str
    role: str
    state: ev.DnsClass
    answers: tuple[str, ...]
    ttl: int
    serial: int
    flags: tuple[str, ...]
    utc: float


class DownView(Data, frozen=True, kw_only=True):
    lower: float = 0.0
    upper: float = 0.0
    ongoing: bool = False
    failed: int = 0
    stalled: int = 0
    samples: int = 0


class PassView(Data, frozen=True, kw_only=True):
    """A pass of a copy that ended well, at `utc`."""

    ref: str
    utc: float
    seconds: float
    bytes: int
    files: int
    entries: int
    final: bool


class ServiceView(Data, frozen=True, kw_only=True):
    """One service: its steps by id, and what the probes last saw."""

    id: str
    steps: dict[str, StepView] = {}
    history: tuple[str, ...] = ()
    """refs in the order in which they took effect; undo goes back along it."""
    health: dict[str, HealthView] = {}
    """`probe@vantage` → last answer."""
    writer: ev.WriterSide = "unknown"
    writer_before: ev.WriterSide = "unknown"
    """The writer that was seen first."""
    writer_detail: str = ""
    writer_utc: float = 0.0
    writes: int = -1
    writes_base: int = 0
    """Writes that new had taken before it was opened; what is over is what a rollback loses."""
    down: DownView = DownView()
    dns: dict[str, DnsView] = {}
    """`name type vantage` → last answer."""
    dns_trail: tuple[tuple[float, int, int, int], ...] = ()
    """(utc, new, old, other) over all vantages, at each change."""
    horizon: dict[str, float] = {}
    may_write: frozenset[str] = frozenset({"old"})
    """The sides that the steps done so far have left open to writes."""
    losses_declared: int = 0
    passes: tuple[PassView, ...] = ()
    """Of its copies, the newest last."""
    advancing: bool = False


class LogView(Data, frozen=True, kw_only=True):
    host: str
    file: str
    lines: tuple[tuple[int, float, str, bool], ...] = ()
    """(number, utc, text, alarm), the newest last."""
    count: int = 0
    lag: float = 0.0
    dropped: int = 0
    alarms: int = 0
    rate: float = 0.0
    utc: float = 0.0
    behind: int = 0
    """Bytes that the host had and we had not, at the last news."""
    gaps: int = 0
    """How often the host itself has lost something, and how many bytes at least."""
    lost: int = 0
    position: str = ""
    """How far it is told, and how long its raw file is with that."""
    raw_end: int = 0


class ClockView(Data, frozen=True, kw_only=True):
    """A host's clock: seconds ahead of ours, right to within `bound`; `zone` is its local time's offset from UTC, seconds."""

    offset: float = 0.0
    bound: float = 0.0
    zone: int = 0
    utc: float = 0.0


class HostView(Data, frozen=True, kw_only=True):
    link: Literal["up", "down", "connecting", "silent"] = "connecting"
    detail: str = ""
    identity: str = ""
    since: float = 0.0
    holder: str = ""
    """Who holds the host in our place, '' while it is ours or nobody was seen."""


class GateView(Data, frozen=True, kw_only=True):
    open: bool = False
    by: str = ""
    override: str = ""
    reason: str = ""
    utc: float = 0.0


class QuestionView(Data, frozen=True, kw_only=True):
    """A question that waits for its answer."""

    question: str
    secret: bool = True
    exact: str = ""
    seq: int = 0


class TimelineEntry(Data, frozen=True, kw_only=True):
    seq: int
    utc: float
    actor: str
    ref: str
    word: str
    text: str


class RunState(Data, frozen=True, kw_only=True):
    """All of a run at one moment."""

    run: str = ""
    plan: Plan | None = None
    mode: Literal["live", "rehearsal"] = "live"
    version: str = ""
    seq: int = 0
    utc: float = 0.0
    """Time of the last event."""
    started: float = 0.0
    ended: float = 0.0
    verdict: str = ""
    exit: int = 0
    paused: bool = False
    panicked: bool = False
    driver: str = ""
    watchers: int = 0
    forecast: dict[str, float] = {}
    services: dict[str, ServiceView] = {}
    gates: dict[str, GateView] = {}
    hosts: dict[str, HostView] = {}
    clocks: dict[str, ClockView] = {}
    logs: dict[str, LogView] = {}
    """`host:file` → its ring."""
    questions: dict[str, QuestionView] = {}
    """What the conductor asks now, by name."""
    timeline: tuple[TimelineEntry, ...] = ()
    notes: tuple[TimelineEntry, ...] = ()
    troubles: int = 0

    def step(self, ref: str) -> StepView:
        """The step's view. Raises KeyError for a ref that the plan does not have."""
        return self.services[ref.partition("/")[0]].steps[ref]

    def planned(self, ref: str) -> Step:
        """The step as the plan has it."""
        if self.plan is None:
            raise KeyError(ref)
        return self.plan.step(ref)
