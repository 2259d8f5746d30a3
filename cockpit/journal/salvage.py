"""Reading a journal that may be damaged: what can be read before, between and behind the damage, and where and what that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from cockpit.events import Record
from cockpit.journal import line as lines
from cockpit.journal.judge import Fault, FaultKind, Judged, Lost, foreign, judge, kind_of
from cockpit.journal.opening import reading
from cockpit.journal.order import Order
from cockpit.journal.split import blocks

DAMAGES = 100
"""Damages that are listed; the others are counted."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a journal's file that is not as it was written.

    `line` to `last` are the lines that it is about, from 1; `seq` is the last event before it that could be read, `at` how many
    could be. `kept`: the lines themselves could be read and are shown."""

    line: int
    last: int
    kind: FaultKind
    why: str
    seq: int = 0
    at: int = 0
    kept: bool = False
    file: str = ""
    """Another file of the run folder that it is about, '' for the journal."""

    def sentence(self, journal: Path) -> str:
        """`FILE:LINE: what is wrong`."""
        return f"{journal.parent / self.file if self.file else journal}:{self.line}: {self.text}"

    @property
    def text(self) -> str:
        """What is wrong, and how far."""
        return f"{self.why} (and so to line {self.last})" if self.last > self.line else self.why


class Salvage:
    """One pass over a journal. `records` gives what can be read; what was found meanwhile stands in the attributes.

    A line whose own checksum holds is given also where the chain is broken before it. One that is older than what was read
    already is left out, since a fold goes forward only."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.events = self.lines = self.size = self.torn = 0
        self.first = self.last = 0
        self.head = lines.START
        self.damages: list[Damage] = []
        self.damaged = 0
        self.offset = 0
        """Of the line of the record that was given last."""
        self._order = Order()
        self._prev = lines.START
        """What the next line has to follow; '' when that is not known."""
        self._kind = ""
        self._before = 0
        """The line of the last event."""
        self._skipped = 0
        """Lines since then that could not be read."""

    @property
    def whole(self) -> bool:
        """Whether every line follows from the one before it, from the first event on; as far as was read."""
        return not self.damaged and (self.first == 1 or not self.events)

    @property
    def torn_tail(self) -> str:
        """A sentence about a torn tail, '' where there is none."""
        if not self.torn:
            return ""
        what = f"the last {self.torn} bytes are a torn tail, as a power cut leaves it; they are left out"
        return f"{self.file}:{self.lines}: {what}"

    def sentences(self, most: int = DAMAGES) -> list[str]:
        """What is wrong, and where; the first ones, how many more there are, and the torn tail."""
        told = [damage.sentence(self.file) for damage in self.damages[:most]]
        if self.damaged > len(told):
            told.append(f"{self.file}: {self.damaged - len(told)} more damages")
        return [*told, self.torn_tail] if self.torn else told

    def records(self) -> Iterator[Record]:
        """Every record that can be read, in order. Raises JournalUnreadable."""
        with reading(self.file) as (descriptor, size):
            yield from self.read(descriptor, size)

    def read(self, descriptor: int, size: int) -> Iterator[Record]:
        """The same from an open file, up to `size` bytes."""
        waiting: tuple[int, Fault, int] | None = None
        tail = b""
        for block in blocks(descriptor, size):
            offset = block.offset
            for place, raw in enumerate(block.lines):
                ended = block.ended or place < len(block.lines) - 1
                taken = len(raw) + block.cut + ended
                self.lines += 1
                self.size += taken
                if waiting is not None:
                    # Only what follows tells that a bad line was not simply the last one, torn.
                    self._lost(waiting[0], waiting[1])
                    waiting = None
                if self.lines == 1 and (why := foreign(raw)):
                    self._damage(1, Fault("foreign", why))
                    return
                if not ended:
                    self.torn, tail = taken, raw
                    break
                try:
                    judged = judge(raw, block.cut)
                except Lost as lost:
                    waiting = (self.lines, lost.fault, taken)
                else:
                    if self._takes(judged):
                        self.offset = offset
                        yield judged.record
                offset += taken
        if waiting is not None:
            self.torn = waiting[2]
        if self.torn and not self.events:
            # Nobody who wrote an event was torn from it here: it is something else.
            self.torn = 0
            self._damage(self.lines, waiting[1] if waiting is not None else _why_no_line(tail))
        if not size:
            self._damage(1, Fault("empty", "it is empty: nothing was ever written, or the disk lost it"))

    def _takes(self, judged: Judged) -> bool:
        """Whether the event is given on; what is wrong with its place is written down."""
        seq = judged.record.seq
        other = self._order.other
        if not self._order.takes(seq, judged.prev, judged.head):
            self._damage(self.lines, self._why_behind(judged, other))
            return False
        self._place(judged)
        if judged.fault is not None:
            self._damage(self.lines, judged.fault, kept=True)
        self.events += 1
        self.first = self.first or seq
        self.last, self.head = seq, judged.head or self.head
        self._prev, self._kind = judged.head, kind_of(judged.record)
        self._before, self._skipped = self.lines, 0
        return True

    def _why_behind(self, judged: Judged, other: str) -> Fault:
        seq = judged.record.seq
        if self._order.other != other:
            return Fault("second", f"another journal begins here, behind event {self.last}; it is left out")
        if seq == self.last and judged.head == self.head:
            return Fault("twice", f"event {seq} stands here a second time; it is left out")
        return Fault(
            "order", f"event {seq} stands behind event {self.last}: lines were moved or put in; it is left out"
        )

    def _place(self, judged: Judged) -> None:
        """What is missing or changed before an event."""
        seq = judged.record.seq
        missing = seq - self.last - 1
        if missing > self._skipped:
            which = f"event {seq - 1} is" if missing == 1 else f"events {self.last + 1} to {seq - 1} are"
            kind: FaultKind = "missing" if self.events else "beginning"
            where = f"before event {seq}" if self.events or self._skipped else f"at the beginning, before event {seq}"
            if self._skipped:
                which = f"{missing} events are"
                where += f", and only {self._skipped} lines that cannot be read stand in their place"
            self._damage(self.lines, Fault(kind, f"{which} missing {where}: lines were taken out"), kept=True)
        elif not self._skipped and self._prev and judged.prev and judged.prev != self._prev:
            if not self.events:
                why = "the journal does not begin with this event: what its chain begins with was taken out"
                self._damage(self.lines, Fault("beginning", why), kept=True)
            else:
                behind = f"line {self.lines} does not follow from it"
                why = f"event {self.last} ({self._kind}) was changed after it was written: {behind}"
                self._damage(self._before, Fault("changed", why), kept=True)

    def _lost(self, number: int, fault: Fault) -> None:
        self._skipped += 1
        self._prev = ""
        self._damage(number, fault)

    def _damage(self, line: int, fault: Fault, *, kept: bool = False) -> None:
        if self.damages and self.damaged == len(self.damages):
            before = self.damages[-1]
            again = fault.kind == before.kind and before.kept == kept and line == before.last + 1
            if again and fault.kind not in {"changed", "missing"}:
                self.damages[-1] = msgspec.structs.replace(before, last=line)
                return
        self.damaged += 1
        if len(self.damages) < DAMAGES:
            self.damages.append(
                Damage(line=line, last=line, kind=fault.kind, why=fault.why, seq=self.last, at=self.events, kept=kept)
            )


def _why_no_line(tail: bytes) -> Fault:
    """What is wrong with a file that holds no line at all."""
    try:
        judge(tail)
    except Lost as lost:
        return lost.fault
    return Fault("line", "its only line has no end")
