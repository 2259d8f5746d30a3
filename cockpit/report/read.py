"""The journal of a report: what of it can be read, and how whole it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cockpit.events import Record, RunEnded, Unknown
from cockpit.journal.salvage import Salvage
from cockpit.report.facts import Damage, Journal, Kind

KINDS = 100


class Reading:
    """One pass over a journal. `records` gives what can be read; afterwards `journal` says how whole it was."""

    def __init__(self, file: Path) -> None:
        self._salvage = Salvage(file)
        self._at_end = ""
        self._unknown: dict[str, Kind] = {}

    def records(self) -> Iterator[Record]:
        """Every record that can be read, in order. Raises JournalUnreadable."""
        for record in self._salvage.records():
            if isinstance(record.event, RunEnded):
                self._at_end = self._salvage.head
            elif isinstance(record.event, Unknown):
                self._count(record.event, record.seq)
            yield record

    @property
    def journal(self) -> Journal:
        """How whole the journal was, as far as it was read."""
        found = self._salvage
        return Journal(
            events=found.events,
            lines=found.lines,
            size=found.size,
            first=found.first,
            last=found.last,
            head=found.head,
            verified=found.whole,
            torn=found.torn,
            damages=tuple(
                Damage(line=item.line, why=item.text, seq=item.seq, kept=item.kept) for item in found.damages
            ),
            damaged=found.damaged,
            unknown=tuple(self._unknown.values()),
            head_at_end=self._at_end,
        )

    def _count(self, event: Unknown, seq: int) -> None:
        name = event.name[:200]
        if name not in self._unknown and len(self._unknown) >= KINDS:
            name = "others"
        known = self._unknown.get(name)
        count, first = (known.count, known.seq) if known is not None else (0, seq)
        self._unknown[name] = Kind(name=name, count=count + 1, seq=first)
