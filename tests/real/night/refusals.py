"""When a refusal is meant: while a service is closed, from one step's intent until another is verified, by the journal.

Whatever people are refused outside of these times is a fault of the night, and so is what got no answer. A clock is not asked:
the times are those of the journal's own events, by the monotonic clock of the machine, which the ledger has too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.events import DnsSeen, DowntimeSeen, Record, StepIntended, StepMoved
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from tests.real.night.ledger import Act, Kind

Spans = list[tuple[float, float]]
"""Monotonic seconds, from and to."""

FOREVER = float("inf")
SURE = 5.0
"""Seconds of an outage that no meter can have missed: several of its samples fall into it."""
WHOLE = 1.0
"""Seconds that a cache may keep an answer beyond its TTL, since caches count in whole ones (docs/dns.md, "The horizon")."""


@dataclass(frozen=True)
class Course:
    """What the journal of a run says of its time, read once: the moves of its steps, what the meter of each service said last,
    when it began and ended, as far as it goes, and the longest TTL with which servers of the zone told the old addresses of a
    name."""

    moves: tuple[tuple[float, str, str], ...]
    outages: Mapping[str, DowntimeSeen]
    lasted: tuple[float, float]
    ttls: Mapping[str, int] = field(default_factory=dict)


def course(run: Path) -> Course:
    """The course of a run."""
    found: list[tuple[float, str, str]] = []
    last: dict[str, DowntimeSeen] = {}
    times: list[float] = []
    ttls: dict[str, int] = {}
    for record in records(RunFolder(run).journal):
        times = [times[0] if times else record.mono, record.mono]
        found += _moved(record)
        match record.event:
            case DowntimeSeen(service=service, meter="") as seen if service:
                last[service] = seen
            case DnsSeen(type="A", state="old", role="primary" | "authority", name=name, ttl=ttl):
                ttls[name] = max(ttl, ttls.get(name, ttl))
    return Course(tuple(found), last, (times[0], times[-1]), ttls)


def moves(run: Path) -> tuple[tuple[float, str, str], ...]:
    """Each step's `apply` and `undo` as they are intended, its `done` and `undone`, with when."""
    return course(run).moves


def _moved(record: Record) -> list[tuple[float, str, str]]:
    match record.event:
        case StepIntended(ref=ref, op=op) if op in {"apply", "undo"}:
            return [(record.mono, ref, op)]
        case StepMoved(ref=ref, state="done" | "already"):
            return [(record.mono, ref, "done")]
        case StepMoved(ref=ref, state="undone"):
            return [(record.mono, ref, "undone")]
        case _:
            return []


@dataclass(frozen=True)
class Meant:
    """What these people are refused from the intent of the step `since` on, until the step `until` is verified, or `since` is
    taken back. `{service}` in a step stands for the service of the act. `said` is what the refusal's own words must match, and
    `by` the host that refused, '' for any.

    With `held`, a name whose address `until` changes, it goes on for as long as an honest cache may hold the old answer: by then
    every server of the zone tells the new one (a change of names is done when that is so), and what was asked just before is kept
    for the TTL that the journal has seen there, and one second more."""

    why: str
    kind: Kind
    services: Sequence[str]
    since: str
    until: str
    said: str = ""
    by: str = ""
    held: str = ""

    def of(self, act: Act) -> bool:
        """Whether it speaks of this act, whenever that was."""
        mine = act.kind == self.kind and act.service in self.services and self.by in {"", act.by}
        return mine and bool(re.search(self.said, act.detail))

    def times(self, nights: Iterable[Course], service: str) -> Spans:
        """When it holds for a service. A step `until` that is taken back closes again what it had opened."""
        since, until = self.since.format(service=service), self.until.format(service=service)
        held = self.held.format(service=service)
        found: Spans = []
        for night in nights:
            begun: float | None = None
            for mono, ref, what in night.moves:
                if begun is None and (ref, what) in {(since, "apply"), (until, "undo")}:
                    begun = mono
                elif begun is not None and ref == until and what == "done":
                    found.append((begun, mono + (night.ttls[held] + WHOLE if held else 0.0)))
                    begun = None
                elif begun is not None and ref == since and what == "undone":
                    found.append((begun, mono))
                    begun = None
            if begun is not None:
                found.append((begun, FOREVER))
        return found


def within(act: Act, spans: Spans) -> bool:
    """Whether some of an act was in one of these times: that may be what refused it."""
    return any(act.began <= end and begin <= act.ended for begin, end in spans)


def total(spans: Spans) -> float:
    """The seconds that these times are together; where they overlap, once."""
    seconds, upto = 0.0, float("-inf")
    for begin, end in sorted(spans):
        seconds += max(0.0, end - max(begin, upto))
        upto = max(upto, end)
    return seconds


def stretch(visits: Iterable[Act], span: tuple[float, float]) -> float:
    """The longest time in a span for which visitors were surely refused: from the end of a first visit to the beginning of a
    last one, with none between them that was taken."""
    longest, first = 0.0, FOREVER
    for visit in visits:
        if visit.outcome == "taken" or visit.began < span[0] or visit.ended > span[1]:
            first = FOREVER
        else:
            first = min(first, visit.ended)
            longest = max(longest, visit.began - first)
    return longest
