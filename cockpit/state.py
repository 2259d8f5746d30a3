"""RunState: everything a view may know. `cockpit.reduce` makes it, as a pure fold of events."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit import events as ev
from cockpit.crew import AccessView, AskedView, HoldView, OfferView, RequestView
from cockpit.plan.base import Side
from cockpit.plan.model import Op, Plan, Step

RING = 400
"""Lines kept of each log and each step's output; older ones stay in the journal's files."""

PAST = 48
"""Changes kept of each vantage, and rates of each access log."""

TICKED: frozenset[str] = frozenset({"done", "already", "skipped"})
SETTLED: frozenset[str] = TICKED | {"undone"}
BUSY: frozenset[str] = frozenset({"running", "verifying", "undoing", "waiting"})


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all state: immutable, so that old states stay true."""


class Before(Data, frozen=True, kw_only=True):
    """What a step was when somebody wanted it taken back."""

    state: ev.StepState
    op: Op | None = None
    detail: str = ""


class StepView(Data, frozen=True, kw_only=True):
    """What is known of one step. `state` is `draft`, `blocked` (until `rules.readiness` says otherwise) or what happened."""

    ref: str
    state: ev.StepState = "blocked"
    attempt: int = 0
    op: Op | None = None
    detail: str = ""
    captured: dict[str, str] = {}
    begun: bool = False
    """An apply was intended and has not been taken back since: `captured` is from before it, also where it is empty."""
    intended: Op | None = None
    """An apply or undo whose outcome is not known yet."""
    applied: Literal["", "ok", "failed", "unknown"] = ""
    """Outcome of the last apply or undo that was intended; '' until it is known."""
    before: Before | None = None
    """What it was when an undo was asked for that has not been intended yet: should it not begin, nothing was taken back."""
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
    sent: dict[str, Literal["sending", "sent", "failed", "unknown"]] = {}
    """A notice's receivers, and how far each is."""
    limit: int = -1
    """Bytes a second that somebody set for a copy; -1 leaves it to the plan."""
    seq: int = 0


class HealthView(Data, frozen=True, kw_only=True):
    """What a health probe saw last at one vantage; `utc` says when."""

    ok: bool
    ms: float
    status: int
    detail: str
    via: str
    bridged: bool
    utc: float
    proto: str = "http"
    row: int = 0
    facts: dict[str, str] = {}
    certificate: ev.Certificate | None = None


class CompareView(Data, frozen=True, kw_only=True):
    """One URL at old and at new. `round` is the UTC at which the round began that it was seen in."""

    same: bool
    differences: tuple[ev.Difference, ...] = ()
    alike: float = 1.0
    old_ms: float = 0.0
    new_ms: float = 0.0
    detail: str = ""
    utc: float = 0.0
    round: float = 0.0


class Past(Data, frozen=True, kw_only=True):
    """What a vantage said from `utc` on. `wrong`: its answer was stale or bogus, and does not count."""

    utc: float
    state: ev.DnsClass
    wrong: bool = False


class DnsWord(Data, frozen=True, kw_only=True):
    """The last answer of an authority or a parent that a cache would keep; as in `DnsView`."""

    state: ev.DnsClass
    answers: tuple[str, ...]
    ttl: int
    utc: float
    chain: tuple[str, ...] = ()
    chain_ttls: tuple[int, ...] = ()
    """The TTL of each link, and last that of the set at the end; () in journals that do not tell it."""
    stage: int = 1


class DnsView(Data, frozen=True, kw_only=True):
    """What a vantage says of a record set. `past` is how that changed, the newest last."""

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
    ms: float = 0.0
    samples: int = 1
    moved: int = -1
    errors: tuple[int, ...] = ()
    chain: tuple[str, ...] = ()
    detail: str = ""
    past: tuple[Past, ...] = ()
    stage: int = 1
    stages: int = 1
    word: DnsWord | None = None
    """What it said last that a cache would keep; None for resolvers."""


class CurvePoint(Data, frozen=True, kw_only=True):
    """How far a change has come at a moment: vantages with the new answer, of how many. `traffic` is the share of real
    requests that new gets, -1 while that is not known."""

    utc: float
    authorities: tuple[int, int] = (0, 0)
    caches: tuple[int, int] = (0, 0)
    traffic: float = -1.0


class QueueView(Data, frozen=True, kw_only=True):
    """A mail queue. `empty_since` is 0 while it holds something or cannot be read."""

    host: str
    mta: str
    count: int
    oldest: float = 0.0
    reason: str = ""
    empty_since: float = 0.0
    utc: float = 0.0


class TokenView(Data, frozen=True, kw_only=True):
    """The last message of our own through one side; `arrived` counts those that came."""

    token: str
    state: Literal["sent", "arrived", "refused", "lost"]
    took: float = 0.0
    path: tuple[str, ...] = ()
    detail: str = ""
    arrived: int = 0
    lost: int = 0
    ended: Literal["", "arrived", "refused", "lost"] = ""
    """How the last one that is no longer on its way came out, and when."""
    ended_utc: float = 0.0
    proven: bool = True
    """Whether the one that ended so came by the server that took it from us."""
    utc: float = 0.0


class StragglersView(Data, frozen=True, kw_only=True):
    """What lies in an old mailbox. `quiet_since` is the UTC since which nothing has come."""

    host: str
    path: str
    count: int
    since: int = 0
    """Messages that came since the run began."""
    while_old: int = 0
    """Those of them that came while old was the one that is written to: they belong there."""
    newest: float = 0.0
    quiet_since: float = 0.0
    detail: str = ""
    utc: float = 0.0


class TrafficView(Data, frozen=True, kw_only=True):
    """An access log. `since` is the UTC since which it is counted, `rates` are the last ones told, the newest last. `last` is by
    the host's clock, `heard` by ours: when a real client was last counted. `unsure` is when something was last not counted: a
    line that does not fit the format, or bytes that the host lost."""

    host: str
    side: Side
    rate: float
    probes: float = 0.0
    total: int = 0
    last: float = 0.0
    heard: float = 0.0
    unread: int = 0
    lost: int = 0
    unsure: float = 0.0
    example: str = ""
    trouble: str = ""
    marks: dict[str, str] = {}
    since: float = 0.0
    utc: float = 0.0
    rates: tuple[float, ...] = ()


class DownView(Data, frozen=True, kw_only=True):
    """A service's outage so far, seconds with both bounds, as `DowntimeSeen` tells it."""

    lower: float = 0.0
    upper: float = 0.0
    ongoing: bool = False
    failed: int = 0
    stalled: int = 0
    samples: int = 0
    what: Literal["read", "write", "mail"] = "read"
    missed: int = 0
    known: float = 0.0
    """UTC up to which that is right, 0 where it was not told."""


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
    left_old: float = 0.0
    """UTC of when old was seen not to be the writer any more."""
    writer_detail: str = ""
    writer_utc: float = 0.0
    writes: int = -1
    writes_base: int = 0
    """Writes that new had taken before it was opened; what is over is what a rollback loses."""
    down: DownView = DownView()
    """Its first meter."""
    meters: dict[str, DownView] = {}
    """Its further meters, by name."""
    compare: dict[str, CompareView] = {}
    """By URL: those of the last whole round, and of the one that goes on."""
    compare_of: int = 0
    """URLs in the list that is compared."""
    compare_troubles: dict[str, CompareView] = {}
    """What URLs are taken from and could not be read."""
    queues: dict[str, QueueView] = {}
    """By `host mta`."""
    tokens: dict[str, TokenView] = {}
    """By the side they go through."""
    stragglers: dict[str, StragglersView] = {}
    """By `host:path`."""
    traffic: dict[str, TrafficView] = {}
    """By host."""
    dns: dict[str, DnsView] = {}
    """`name type role vantage` → last answer."""
    curve: tuple[CurvePoint, ...] = ()
    """How the change spread, a point at each change; old points are thinned out."""
    horizon: dict[str, float] = {}
    """`name type` → UTC after which no honest cache can hold the old answer."""
    terms: dict[str, tuple[ev.Term, ...]] = {}
    """`name type` → what the horizon is made of."""
    may_write: frozenset[str] = frozenset({"old"})
    """The sides that the steps done so far have left open to writes."""
    losses_declared: int = 0
    passes: tuple[PassView, ...] = ()
    """Of its copies, the newest last."""
    advancing: bool = False
    once: frozenset[str] = frozenset()
    """What the timeline has told of it and need not tell again."""


class LogView(Data, frozen=True, kw_only=True):
    """A tailed log: its last lines, and how it runs."""

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
    """A host's link, since when it is so, and whose the host is."""

    link: Literal["up", "down", "connecting", "silent"] = "connecting"
    detail: str = ""
    identity: str = ""
    since: float = 0.0
    holder: str = ""
    """Who holds the host in our place, '' while it is ours or nobody was seen."""


class GateView(Data, frozen=True, kw_only=True):
    """A gate as somebody or its evidence has left it; `reason` says why it was closed again."""

    open: bool = False
    by: str = ""
    override: str = ""
    reason: str = ""
    utc: float = 0.0
    second: str = ""
    """Who confirmed it as the second person."""
    alone: bool = False
    """It needs a second person, and was opened without one."""
    asked: AskedView | None = None
    declined: int = 0
    """The event in which the second person said no last."""


class QuestionView(Data, frozen=True, kw_only=True):
    """A question that waits for its answer."""

    question: str
    secret: bool = True
    exact: str = ""
    seq: int = 0


class TimelineEntry(Data, frozen=True, kw_only=True):
    """A line of the timeline: what became of `ref` in a word, and the text."""

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
    driver_screen: int = 0
    """Number of the driver's connection, 0 for what drives without one."""
    watchers: int = 0
    people: tuple[ev.Attached, ...] = ()
    """Every screen that is attached."""
    offer: OfferView | None = None
    requests: dict[int, RequestView] = {}
    """Requests for the wheel, by screen."""
    holds: tuple[HoldView, ...] = ()
    access: dict[str, AccessView] = {}
    """Other accounts that may look, by name."""
    door: str = ""
    """Where they connect."""
    door_how: str = ""
    boot: str = ""
    """Boot id of the machine that conducts."""
    forecast: dict[str, float] = {}
    services: dict[str, ServiceView] = {}
    gates: dict[str, GateView] = {}
    hosts: dict[str, HostView] = {}
    clocks: dict[str, ClockView] = {}
    down: DownView = DownView()
    """The whole night: any service away."""
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
