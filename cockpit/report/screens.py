"""What was on screens: the facts, whether it is still there, and which confirmation it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from cockpit import events as ev
from cockpit.journal.screens import ScreenGone, kept
from cockpit.picture.svg import NotOurs, again
from cockpit.report.facts import GateFact, Report, ScreenFact
from cockpit.report.rows import Rows, short

MOST = 10_000
INSIDE, INSIDE_BYTES = 200, 6 << 20
"""Pictures that stand in one report, and bytes of them; the others are named."""

_VERBS = {True: ("open-gate", "confirm"), False: ("close-gate",)}


class Shown(msgspec.Struct, frozen=True):
    """A screen as it is shown: a picture that can stand in an HTML page, and its text."""

    svg: str
    text: str


class Screens:
    """The screens that were kept, in order."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.rows: Rows[ScreenFact] = Rows(MOST)

    def feed(self, record: ev.Record, event: ev.ScreenKept) -> None:
        """One more."""
        self.rows.add(
            ScreenFact(
                seq=record.seq,
                utc=record.utc,
                why=event.why,
                of=short(event.of),
                by=short(event.by),
                shown=event.shown,
                page=short(event.page),
                width=event.width,
                height=event.height,
                version=short(event.version),
                file=short(event.file),
                svg=short(event.svg),
                text=short(event.text),
                trouble=self._trouble(event),
                left_out=event.left_out,
            )
        )

    def _trouble(self, event: ev.ScreenKept) -> str:
        if self._folder is None:
            return "the run's folder is not at hand"
        try:
            again(kept(self._folder, event.file, event.svg, event.text)[0])
        except (ScreenGone, NotOurs) as error:
            return short(str(error))
        return ""

    def beside(self, gates: tuple[GateFact, ...]) -> tuple[GateFact, ...]:
        """The gates with their screens. A screen belongs to the first such deed after the last event that was on it: it was
        looked at before, and may have been written down a moment later. Of several the last counts: those before it were of
        tries that came to nothing, and the second person looks after the first."""
        found = dict(enumerate(gates))
        for screen in self.rows:
            for number, gate in found.items():
                wanted = {f"{verb} {gate.gate}" for verb in _VERBS[gate.opened]}
                if screen.why == "confirmed" and screen.of in wanted and gate.seq > screen.shown:
                    if not screen.of.startswith("confirm ") or _name(screen.by) == _name(gate.second):
                        found[number] = replace(gate, screen=screen.seq)
                    break
        return tuple(found.values())


def _name(words: str) -> str:
    return words.partition(" (")[0]


def shown(folder: Path, report: Report) -> Mapping[int, Shown]:
    """The screens that an HTML report shows, by their events: those of confirmations first, as many as it holds."""
    found: dict[int, Shown] = {}
    size = 0
    for fact in sorted(report.screens, key=lambda fact: (fact.why != "confirmed", fact.seq)):
        if fact.trouble or len(found) >= INSIDE:
            continue
        try:
            data, text = kept(folder, fact.file, fact.svg, fact.text)
            picture = Shown(again(data), text)
        except (ScreenGone, NotOurs):
            continue
        size += len(picture.svg) + len(picture.text)
        if size > INSIDE_BYTES:
            break
        found[fact.seq] = picture
    return found
