"""What a report tells, as plain data: the schema of its JSON. Times are UTC seconds, 0 for never; durations are seconds.

Every row carries `seq`, the number of the event that shows it: `cockpit replay RUN --at SEQ` is that moment."""

from __future__ import annotations

import msgspec

SCHEMA = "cockpit-report/1"


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all facts. Nothing is left out of the JSON: a reader needs no defaults."""


class Damage(Fact, frozen=True, kw_only=True):
    """A line of the journal that is not what was written, or does not follow from the line before. `seq` is the last event
    before it."""

    line: int
    why: str
    seq: int
    kept: bool
    """Whether the line itself could be read: it is in the report, and not proven."""


class Kind(Fact, frozen=True, kw_only=True):
    """Events of a kind that this version does not know."""

    name: str
    count: int
    seq: int


class Journal(Fact, frozen=True, kw_only=True):
    """The journal that the report was made from. `verified`: every line follows from the one before it, from the first on."""

    events: int
    lines: int
    size: int
    first: int
    last: int
    head: str
    """Of the hash chain after the last line that could be read."""
    verified: bool
    torn: int
    """Bytes at the end that are no whole line: a power cut, or a line that is being written."""
    damages: tuple[Damage, ...]
    damaged: int
    """How many there are; `damages` holds the first of them."""
    unknown: tuple[Kind, ...]
    head_at_end: str
    """Head of the chain right after the last `run.ended`, '' while there is none."""


class Session(Fact, frozen=True, kw_only=True):
    """A start of the conductor: the first, or a resumption."""

    seq: int
    utc: float
    pid: int
    after: int
    """The last event of the session before; 0 for the first."""
    mended: int
    """Bytes of a torn tail that were cut."""
    idle: float
    """Seconds since the event before."""


class Driver(Fact, frozen=True, kw_only=True):
    """Somebody at the wheel. `until` 0: to the end of what is known."""

    seq: int
    utc: float
    driver: str
    uid: int
    until: float
    until_seq: int
    why: str


class Moment(Fact, frozen=True, kw_only=True):
    """Something that happened once: a note, a trouble, an alarm, a pause, a refusal."""

    seq: int
    utc: float
    actor: str
    what: str
    text: str
    ref: str = ""


class GateFact(Fact, frozen=True, kw_only=True):
    """A gate that was opened or closed. `head` is the journal's, as whoever opened it could have read it."""

    seq: int
    utc: float
    gate: str
    question: str
    opened: bool
    by: str
    override: str
    evidence: str
    head: str
    second: str
    """Who confirmed it as the second person."""
    second_account: str
    """That person's Unix account, as the kernel told."""
    alone: bool
    """It needs a second person, and was opened without one: break-glass."""
    screen: int = 0
    """The event that keeps what was on the screen when it was confirmed, 0 for none."""


class ScreenFact(Fact, frozen=True, kw_only=True):
    """What was on a screen when somebody confirmed something, when a step failed, or at a point of no return."""

    seq: int
    utc: float
    why: str
    of: str
    by: str
    shown: int
    """The last event that was on it."""
    page: str
    width: int
    height: int
    version: str
    """Of the program that painted it."""
    file: str
    """Beside the journal, without its end: `.svg` and `.txt`."""
    svg: str
    text: str
    """BLAKE2b-16 of both."""
    trouble: str
    """Why it cannot be shown: it is missing, or it was changed; '' when it is what was kept."""
    left_out: int
    """Screens before it that came too fast to be kept."""


class Move(Fact, frozen=True, kw_only=True):
    """A state that an attempt went through."""

    seq: int
    utc: float
    state: str
    detail: str


class LogLine(Fact, frozen=True, kw_only=True):
    """A line of a tailed log."""

    seq: int
    log: str
    text: str


class Attempt(Fact, frozen=True, kw_only=True):
    """One time that a step was run, undone or verified again, or was moved without an act (skipped, answered).

    `output`, `logs` and `command` are there for what did not simply succeed."""

    seq: int
    end_seq: int
    ref: str
    attempt: int
    what: str
    """apply, undo, verify (again, of an earlier act) or none."""
    by: str
    driver: str
    host: str
    started: float
    intended: float
    intended_seq: int
    applied: float
    applied_seq: int
    outcome: str
    exit: int | None
    ended: float
    """0 while it is under way."""
    state: str
    detail: str
    took: float
    again: int
    """How many times the step had been run before; over 0 is a retry, or a new beginning after an undo."""
    cut: bool
    """The conductor died while it was under way."""
    moves: tuple[Move, ...]
    output: tuple[str, ...] = ()
    output_lines: int = 0
    logs: tuple[LogLine, ...] = ()
    command: str = ""


class StepFact(Fact, frozen=True, kw_only=True):
    """A step, planned against actual. Planned times are what the forecasts give when nothing else holds a step up, counted from
    the first step's start. A step that was taken back and run again counts from its first start to its last end."""

    ref: str
    title: str
    phase: str
    host: str
    kind: str
    state: str
    detail: str
    seq: int
    attempts: int
    forecast: float
    planned_start: float
    planned_end: float
    started: float
    ended: float
    took: float
    """Seconds of its last run."""
    over: float
    """`took` over the forecast; 0 where there is no forecast or no run."""
    critical: bool
    """On the chain of steps that determined when the run's last step ended."""
    planned_critical: bool


class Stretch(Fact, frozen=True, kw_only=True):
    """An outage as it was seen: what it added to the bounds. `ended` 0 while it goes on."""

    seq: int
    end_seq: int
    started: float
    ended: float
    lower: float
    upper: float


class Downtime(Fact, frozen=True, kw_only=True):
    """A meter of a service, or of the whole night (`service` '')."""

    seq: int
    service: str
    meter: str
    what: str
    lower: float
    upper: float
    ongoing: bool
    failed: int
    stalled: int
    samples: int
    missed: int
    budget: float
    """0 for none."""
    verdict: str
    """within, perhaps over (the budget lies between the bounds), over, or no budget."""
    stretches: tuple[Stretch, ...]
    left_out: int
    """Stretches beyond those that are kept."""


class Point(Fact, frozen=True, kw_only=True):
    """How far a change of a record set had come: (with the new answer, asked)."""

    seq: int
    utc: float
    authorities: tuple[int, int]
    caches: tuple[int, int]


class VantageFact(Fact, frozen=True, kw_only=True):
    """What a name server or a cache said last."""

    vantage: str
    role: str
    state: str
    answers: tuple[str, ...]
    ttl: int
    flags: tuple[str, ...]
    seq: int


class Spread(Fact, frozen=True, kw_only=True):
    """The propagation of a record set."""

    seq: int
    service: str
    name: str
    type: str
    horizon: float
    """UTC after which no honest cache can hold the old answer, 0 while that is not known."""
    points: tuple[Point, ...]
    vantages: tuple[VantageFact, ...]


class LossFact(Fact, frozen=True, kw_only=True):
    """A loss: accepted in the plan (`seq` is the plan's event), or declared when something was taken back."""

    seq: int
    what: str
    reason: str
    by: str
    utc: float
    writes: int


class NoticeFact(Fact, frozen=True, kw_only=True):
    """A notice to one receiver, and how far it came."""

    seq: int
    utc: float
    ref: str
    to: str
    state: str
    detail: str


class Deviation(Fact, frozen=True, kw_only=True):
    """Something that went otherwise than the plan says."""

    seq: int
    ref: str
    what: str
    text: str


class Care(Fact, frozen=True, kw_only=True):
    """An item of hypercare: what is settled, and what somebody still has to look after."""

    seq: int
    service: str
    what: str
    open: bool
    text: str


class ServiceFact(Fact, frozen=True, kw_only=True):
    """A service."""

    id: str
    title: str
    wave: int
    seq: int
    complete: bool
    rollback: str
    writer_before: str
    writer: str
    writer_seq: int
    started: float
    ended: float
    steps: tuple[StepFact, ...]
    final_copy: str
    """Its last final copy beside its prediction, in words."""


class RunFact(Fact, frozen=True, kw_only=True):
    """The run as a whole."""

    run: str
    plan: str
    plan_hash: str
    description: str
    mode: str
    version: str
    over: bool
    started: float
    ended: float
    """Of the last event while the run is not over."""
    seq: int
    """Of the event that ended it, or the last one."""
    verdict: str
    exit: int
    steps: int
    ticked: int
    critical: tuple[str, ...]
    planned_critical: tuple[str, ...]
    planned: float
    """Seconds that the plan's forecasts add up to along its critical path."""
    took: float
    """Seconds from the first step's start to the last step's end."""
    forecast_from: str
    watchers: int
    """Most at one time."""
    left_out: int
    """Rows that are not in the report because there were more than it holds."""


class Report(Fact, frozen=True, kw_only=True):
    """A whole report."""

    schema: str
    run: RunFact
    journal: Journal
    services: tuple[ServiceFact, ...]
    downtime: tuple[Downtime, ...]
    spread: tuple[Spread, ...]
    gates: tuple[GateFact, ...]
    attempts: tuple[Attempt, ...]
    deviations: tuple[Deviation, ...]
    losses: tuple[LossFact, ...]
    notices: tuple[NoticeFact, ...]
    care: tuple[Care, ...]
    sessions: tuple[Session, ...]
    drivers: tuple[Driver, ...]
    moments: tuple[Moment, ...]
    screens: tuple[ScreenFact, ...] = ()
