"""Events of probes: what the world sees."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.events.base import Event
from cockpit.plan.base import Side, Vantage

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
DnsRole = Literal["primary", "authority", "parent", "resolver"]
WriterSide = Literal["old", "new", "both", "none", "unknown"]
Sure = Literal["bound", "estimate"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what events hold."""


class Certificate(Part, frozen=True, kw_only=True):
    """The certificate that a server showed, also one that does not hold: `problem` says why."""

    names: tuple[str, ...] = ()
    issuer: str = ""
    until: float = 0.0
    """UTC at which it expires."""
    days: float = 0.0
    """Left when it was seen."""
    chain: tuple[str, ...] = ()
    """Subjects, the server's own first."""
    problem: str = ""


class HealthSeen(Event, frozen=True, kw_only=True, tag="health.seen"):
    """One answer to a health probe, at old, at new or as the world sees it. `ms` is until its last byte."""

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
    proto: str = "http"
    row: int = 0
    """Good answers in a row; the probe counts as good from the plan's `row` on."""
    facts: dict[str, str] = {}
    """What else was seen, by the names that conditions have for it."""
    certificate: Certificate | None = None
    same: bool = False
    """Facts and certificate are those that were told last, and left out here."""


class Difference(Part, frozen=True, kw_only=True):
    """One thing in which new's answer is not old's. `lines` is a unified diff of a body, harmless and bounded."""

    what: str
    """status, redirects, title, body, size, time, certificate, or `header NAME`."""
    old: str = ""
    new: str = ""
    lines: tuple[str, ...] = ()


class CompareSeen(Event, frozen=True, kw_only=True, tag="compare.seen"):
    """One URL at old and at new."""

    service: str
    url: str
    same: bool
    differences: tuple[Difference, ...] = ()
    alike: float = 1.0
    """Share of the masked bodies that is alike."""
    old_ms: float = 0.0
    """Time to the first byte."""
    new_ms: float = 0.0
    detail: str = ""
    """Why it could not be compared, '' when it was."""
    of: int = 0
    """URLs in the list."""
    round: float = 0.0
    """UTC at which the round began that it belongs to; a round is over when `of` URLs of it were told."""
    trouble: bool = False
    """Whether `url` is where the list comes from (a sitemap, a log), and `detail` why that could not be read."""


class WriterSeen(Event, frozen=True, kw_only=True, tag="writer.seen"):
    """Which host takes a service's writes now."""

    service: str
    writer: WriterSide
    writes: int = -1
    """Writes that new has taken; -1 when not measured."""
    detail: str = ""


class DowntimeSeen(Event, frozen=True, kw_only=True, tag="downtime.seen"):
    """Outage so far, seconds with both bounds. `ongoing` while the last sample failed. `service` '' is the whole night: the
    time for which any service was away."""

    service: str
    lower: float
    upper: float
    ongoing: bool = False
    failed: int = 0
    stalled: int = 0
    samples: int = 0
    meter: str = ""
    """Which of the service's meters; '' is its first."""
    what: Literal["read", "write", "mail"] = "read"
    known: float = 0.0
    """UTC up to which that is right, 0 where it was not told."""
    missed: int = 0
    """Samples that were due and could not be sent: what happened then is in the upper bound."""


class BudgetAlarm(Event, frozen=True, kw_only=True, tag="downtime.alarm"):
    """A budget is nearly spent (`share` of it), or spent."""

    service: str
    meter: str = ""
    share: float = 0.0
    upper: float = 0.0
    budget: float = 0.0


class DnsSeen(Event, frozen=True, kw_only=True, tag="dns.seen"):
    """One round of answers at one vantage for one record set. `ttl` is what remains, seconds."""

    service: str
    name: str
    type: str
    vantage: str
    role: DnsRole
    state: DnsClass
    answers: tuple[str, ...] = ()
    ttl: int = -1
    serial: int = -1
    flags: tuple[str, ...] = ()
    """stale, clamped, upstream-lag, bogus, authentic, ds-stale, glue-stale."""
    ms: float = 0.0
    samples: int = 1
    """Questions of the round that were answered; `state` is the worst of their answers."""
    moved: int = -1
    """How many of them said new; -1 when only one was asked."""
    errors: tuple[int, ...] = ()
    """Extended DNS errors (RFC 8914)."""
    chain: tuple[str, ...] = ()
    """The names of a CNAME chain, the first target first."""
    detail: str = ""
    """Why there is no answer."""
    stage: int = 1
    """Which of `stages` declared changes of this name and type, one after the other, `state` is about."""
    stages: int = 1
    chain_ttls: tuple[int, ...] = ()
    """Of an authority's or a parent's answer: the TTL of each link of the chain, and last that of the set at its end where the
    chain ends there. () when it said nothing that a cache would keep."""
    gone: bool = False
    """It is a vantage no more, and what it said last counts no more."""


class Term(Part, frozen=True, kw_only=True):
    """One term of the horizon: what holds the old answer until `at` (UTC), and whether that is a bound or an estimate."""

    what: str
    at: float
    sure: Sure = "bound"


class HorizonSeen(Event, frozen=True, kw_only=True, tag="dns.horizon"):
    """UTC after which no honest cache can hold the old answer; 0 while an authority still serves it."""

    service: str
    name: str
    type: str
    at: float
    terms: tuple[Term, ...] = ()


class QueueSeen(Event, frozen=True, kw_only=True, tag="mail.queue"):
    """A mail queue. `count` is -1 when it could not be read."""

    service: str
    host: str
    mta: str
    count: int
    oldest: float = 0.0
    """Age of the oldest message, seconds."""
    reason: str = ""
    """Why the oldest waits."""


class TokenSeen(Event, frozen=True, kw_only=True, tag="mail.token"):
    """A message of our own on its way. `path` are the hosts of its Received lines, the last one first."""

    service: str
    through: Side
    token: str
    state: Literal["sent", "arrived", "refused", "lost"]
    took: float = 0.0
    path: tuple[str, ...] = ()
    detail: str = ""
    proven: bool = True
    """Of one that arrived: whether it came by the server that took it from us."""


class StragglersSeen(Event, frozen=True, kw_only=True, tag="mail.stragglers"):
    """What lies in an old mailbox. `count` is -1 when it could not be read; `since` what came since the run began."""

    service: str
    host: str
    path: str
    count: int
    since: int = 0
    newest: float = 0.0
    """UTC of the newest."""
    detail: str = ""
    """Why it could not be read."""


class TrafficSeen(Event, frozen=True, kw_only=True, tag="traffic.seen"):
    """An access log over the last seconds. Rates are requests a second of real clients; `probes` are our own."""

    service: str
    host: str
    side: Side
    rate: float
    probes: float = 0.0
    total: int = 0
    """Requests of real clients since the run began."""
    last: float = 0.0
    """UTC of a real client's last request, 0 for none yet."""
    unread: int = 0
    """Lines that the format does not fit."""
    example: str = ""
    """The last of them."""
    lost: int = 0
    """Bytes of its logs that the host itself lost before they were counted, at least."""
    trouble: str = ""
    """Why a log cannot be read now: its requests are not counted."""
    marks: dict[str, str] = {}
    """How far each of its logs is counted with that: lines of it since the run began, and the position behind them."""
