"""Reading a journal that may be damaged: what is whole before, between and behind the damage, and where that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cockpit.events import Record, RunEnded, Unknown
from cockpit.journal import line as lines
from cockpit.journal.reader import raw_lines
from cockpit.report.facts import Damage, Journal, Kind

DAMAGES = 100
"""Damaged lines that are listed; the others are counted."""
KINDS = 100


class Reading:
    """One pass over a journal. `records` gives what can be read; afterwards `journal` says how whole it was.

    A line whose own checksum holds is told also where the chain is broken before it: it is listed as not proven. One that is
    older than what was read already is left out, since a fold goes forward only."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._events = self._number = self._size = self._torn = 0
        self._first = self._last = 0
        self._head, self._at_end = lines.START, ""
        self._damages: list[Damage] = []
        self._damaged = 0
        self._unknown: dict[str, Kind] = {}

    def records(self) -> Iterator[Record]:
        """Every record that can be read, in order. Raises OSError."""
        before: str | None = lines.START
        waiting: tuple[int, str, int] | None = None
        for raw, ended in raw_lines(self._file):
            self._number += 1
            size = len(raw) + ended
            self._size += size
            if waiting is not None:
                # Only what follows tells that a bad line was not simply the last one, torn.
                self._damage(waiting[0], waiting[1], kept=False)
                before, waiting = None, None
            if not ended:
                self._torn = size
                break
            try:
                record, head = lines.decode(raw, before)
            except lines.Damaged as error:
                try:
                    record, head = lines.decode(raw, None)
                except lines.Damaged:
                    waiting = (self._number, str(error), size)
                    continue
                forward = record.seq > self._last
                self._damage(self._number, str(error), kept=forward)
                if not forward:
                    before = None
                    continue
            else:
                if record.seq <= self._last:
                    self._damage(self._number, f"event {record.seq} stands behind event {self._last}", kept=False)
                    before = None
                    continue
            before = head
            self._take(record, head)
            yield record
        if waiting is not None:
            self._torn = waiting[2]

    @property
    def journal(self) -> Journal:
        """How whole the journal was, as far as it was read."""
        return Journal(
            events=self._events,
            lines=self._number,
            size=self._size,
            first=self._first,
            last=self._last,
            head=self._head,
            verified=not self._damaged and (self._first == 1 or not self._events),
            torn=self._torn,
            damages=tuple(self._damages),
            damaged=self._damaged,
            unknown=tuple(self._unknown.values()),
            head_at_end=self._at_end,
        )

    def _take(self, record: Record, head: str) -> None:
        self._events += 1
        self._first = self._first or record.seq
        self._last, self._head = record.seq, head
        if isinstance(record.event, RunEnded):
            self._at_end = head
        if isinstance(record.event, Unknown):
            name = record.event.name[:200]
            if name not in self._unknown and len(self._unknown) >= KINDS:
                name = "others"
            known = self._unknown.get(name)
            count, seq = (known.count, known.seq) if known is not None else (0, record.seq)
            self._unknown[name] = Kind(name=name, count=count + 1, seq=seq)

    def _damage(self, number: int, why: str, *, kept: bool) -> None:
        self._damaged += 1
        if len(self._damages) < DAMAGES:
            self._damages.append(Damage(line=number, why=why, seq=self._last, kept=kept))
