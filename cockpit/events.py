"""Every event: the only vocabulary that leaves the engine, the probes and the hosts.

A `Record` is one journal line: an event with its sequence number, its times and its actor. Text that came from a host is
made harmless (`cockpit.text.harmless`) before it becomes part of an event; the raw bytes stay in files beside the journal.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.plan.model import Op, Plan, Vantage

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

DnsClass = Literal[
    "new",
    "new-partial",
    "mixed",
    "old",
    "old-partial",
    "other",
    "nodata",
    "nxdomain",
    "servfail",
    "refused",
    "lame",
    "timeout",
]
WriterSide = Literal["old", "new", "both", "none", "unknown"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """Base of all events."""


# --- the run -----------------------------------------------------------------------------------------------------------


class RunStarted(Event, frozen=True, kw_only=True, tag="run.started"):
    """First event of a journal. It carries the whole plan, so that a replay needs nothing else."""

    run: str
    plan: Plan
    mode: Literal["live", "rehearsal"] = "live"
    version: str = ""
    forecast: dict[str, float] = {}
    """Seconds each step is expected to take (ref → seconds), from earlier runs of the plan; else the plan's estimate."""
    forecast_from: str = ""


class RunResumed(Event, frozen=True, kw_only=True, tag="run.resumed"):
    pid: int
    after: int
    """The last sequence number found."""
    mended: int = 0
    """Bytes of a torn tail that were cut."""


class RunPaused(Event, frozen=True, kw_only=True, tag="run.paused"):
    reason: str = ""


class RunContinued(Event, frozen=True, kw_only=True, tag="run.continued"):
    pass


class RunPanicked(Event, frozen=True, kw_only=True, tag="run.panicked"):
    pass


class RunEnded(Event, frozen=True, kw_only=True, tag="run.ended"):
    verdict: str
    exit: int = 0


class WheelTaken(Event, frozen=True, kw_only=True, tag="wheel.taken"):
    """Somebody drives. `uid` is the peer credential (-1 for a headless run)."""

    driver: str
    uid: int = -1
    pid: int = -1


class WheelLost(Event, frozen=True, kw_only=True, tag="wheel.lost"):
    """Nobody drives: nothing new starts."""

    driver: str
    reason: str = ""


class WatchersChanged(Event, frozen=True, kw_only=True, tag="watchers"):
    count: int


class IntentTaken(Event, frozen=True, kw_only=True, tag="intent.taken"):
    """What was asked, in the words of the intent's JSON."""

    intent: str
    summary: str = ""


class IntentRefused(Event, frozen=True, kw_only=True, tag="intent.refused"):
    intent: str
    reason: str


class Noted(Event, frozen=True, kw_only=True, tag="note"):
    text: str
    ref: str = ""


class Trouble(Event, frozen=True, kw_only=True, tag="trouble"):
    """Something of our own went wrong, as a sentence."""

    message: str
    where: str = ""


# --- questions ---------------------------------------------------------------------------------------------------------


class Asked(Event, frozen=True, kw_only=True, tag="asked"):
    """The conductor needs an answer. It goes back beside the journal and is never written down."""

    name: str
    question: str
    secret: bool = True
    """Whether the answer is a secret; otherwise typing `exact` is a yes."""
    exact: str = ""


class Answered(Event, frozen=True, kw_only=True, tag="answered"):
    """A question has its answer: a secret is known, or a yes was typed."""

    name: str
    by: str


class AskGivenUp(Event, frozen=True, kw_only=True, tag="ask.given_up"):
    """A question closed without an answer, which is a no."""

    name: str
    reason: str


# --- steps -------------------------------------------------------------------------------------------------------------


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


class ServiceAdvancing(Event, frozen=True, kw_only=True, tag="service.advancing"):
    """Whether a service goes on by itself to the next gate."""

    service: str
    on: bool
    why: str = ""


class LossDeclared(Event, frozen=True, kw_only=True, tag="loss.declared"):
    """The operator accepted that going back loses what new took."""

    service: str
    writes: int


# --- gates -------------------------------------------------------------------------------------------------------------


class GateOpened(Event, frozen=True, kw_only=True, tag="gate.opened"):
    gate: str
    by: str
    override: str = ""
    evidence: str = ""
    head: str = ""
    """Head of the journal's hash chain when it was asked for: what the one who opened it could have read."""


class GateClosed(Event, frozen=True, kw_only=True, tag="gate.closed"):
    gate: str
    reason: str


# --- what probes and tails saw -----------------------------------------------------------------------------------------


class HostSeen(Event, frozen=True, kw_only=True, tag="host.seen"):
    host: str
    link: Literal["up", "down", "connecting", "silent"]
    detail: str = ""
    identity: str = ""


class HostLocked(Event, frozen=True, kw_only=True, tag="host.locked"):
    """Whose a host is. `holder` says who runs what since when; `former` whom we took it from; `lost` that it was ours."""

    host: str
    ours: bool
    holder: str = ""
    former: str = ""
    lost: bool = False


class HealthSeen(Event, frozen=True, kw_only=True, tag="health.seen"):
    service: str
    probe: str
    at: Vantage
    ok: bool
    ms: float = 0.0
    status: int = 0
    detail: str = ""
    via: str = ""
    """The address that answered; for `world`, what the name resolved to."""
    bridged: bool = False


class WriterSeen(Event, frozen=True, kw_only=True, tag="writer.seen"):
    service: str
    writer: WriterSide
    writes: int = -1
    """Writes that new has taken; -1 when not measured."""
    detail: str = ""


class DowntimeSeen(Event, frozen=True, kw_only=True, tag="downtime.seen"):
    """Outage so far, seconds with both bounds. `ongoing` while the last sample failed."""

    service: str
    lower: float
    upper: float
    ongoing: bool = False
    failed: int = 0
    stalled: int = 0
    samples: int = 0


class DnsSeen(Event, frozen=True, kw_only=True, tag="dns.seen"):
    """One answer at one vantage for one record set. `ttl` is what remains, seconds."""

    service: str
    name: str
    type: str
    vantage: str
    role: Literal["primary", "authority", "resolver"]
    state: DnsClass
    answers: tuple[str, ...] = ()
    ttl: int = -1
    serial: int = -1
    flags: tuple[str, ...] = ()
    """stale, clamped, upstream-lag, bogus."""
    ms: float = 0.0


class HorizonSeen(Event, frozen=True, kw_only=True, tag="dns.horizon"):
    """UTC after which no honest cache can hold the old answer; 0 while an authority still serves it."""

    service: str
    name: str
    type: str
    at: float


class LogSeen(Event, frozen=True, kw_only=True, tag="log.lines"):
    """Lines of a tailed file, harmless, in order. `dropped` counts lines left out of this event to bound memory."""

    host: str
    file: str
    lines: tuple[str, ...]
    raw: str = ""
    offset: int = 0
    length: int = 0
    lag: float = 0.0
    dropped: int = 0
    alarms: tuple[int, ...] = ()
    """Indexes into `lines` that match the plan's alarm."""
    position: str = ""
    """How far the log is told with this event; a tail goes on from here after a restart."""
    behind: int = 0
    """Bytes that the host had and we had not, when these came."""


class LogGap(Event, frozen=True, kw_only=True, tag="log.gap"):
    """The host itself has lost part of a log before it could be read: at least `size` bytes."""

    host: str
    file: str
    size: int = 0
    position: str = ""


class HostClock(Event, frozen=True, kw_only=True, tag="host.clock"):
    """How far a host's clock is ahead of ours, seconds, right to within `bound`; `zone` is its local time's offset from UTC."""

    host: str
    offset: float
    bound: float
    zone: int = 0


class Unknown(Event, frozen=True, kw_only=True, tag="unknown"):
    """An event of another version: kept and shown."""

    name: str
    raw: str


AnyEvent = (
    RunStarted
    | RunResumed
    | RunPaused
    | RunContinued
    | RunPanicked
    | RunEnded
    | WheelTaken
    | WheelLost
    | WatchersChanged
    | IntentTaken
    | IntentRefused
    | Noted
    | Trouble
    | Asked
    | Answered
    | AskGivenUp
    | StepIntended
    | StepMoved
    | StepCaptured
    | StepApplied
    | StepOutput
    | StepProgress
    | StepLimited
    | SyncPassed
    | ServiceAdvancing
    | LossDeclared
    | GateOpened
    | GateClosed
    | HostSeen
    | HostLocked
    | HealthSeen
    | WriterSeen
    | DowntimeSeen
    | DnsSeen
    | HorizonSeen
    | LogSeen
    | LogGap
    | HostClock
    | Unknown
)

DURABLE: tuple[type[Event], ...] = (
    RunStarted,
    RunResumed,
    RunPaused,
    RunContinued,
    RunPanicked,
    RunEnded,
    WheelTaken,
    WheelLost,
    IntentTaken,
    IntentRefused,
    Noted,
    Asked,
    Answered,
    AskGivenUp,
    StepIntended,
    StepCaptured,
    StepApplied,
    StepMoved,
    StepLimited,
    ServiceAdvancing,
    LossDeclared,
    GateOpened,
    GateClosed,
    HostLocked,
)
"""Kinds that are synced to disk before anything is built on them; the others are batched."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    seq: int
    utc: float
    mono: float
    actor: str
    event: AnyEvent
