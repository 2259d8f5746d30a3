"""Reading a journal: whole, from a place, and mending its torn tail. Reading never creates or changes a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from cockpit.events import Record
from cockpit.journal import line as lines
from cockpit.journal.opening import reading
from cockpit.journal.split import blocks


class JournalDamaged(Exception):
    """Damage that is not a torn tail; the sentence names file and line."""

    def __init__(self, file: Path, number: int, why: str) -> None:
        super().__init__(f"{file}:{number}: {why}; the journal is whole up to line {number - 1}")
        self.number = number


class End(msgspec.Struct, frozen=True):
    """Where a journal stands: last sequence number, head of the chain, size in bytes of its whole lines."""

    seq: int = 0
    head: str = lines.START
    size: int = 0
    torn: int = 0
    """Bytes behind the last whole line."""


def raw_lines(file: Path) -> Iterator[tuple[bytes, bool]]:
    """Each line without its newline, and whether it had one. Of one that is longer than any event only the beginning. Raises
    JournalUnreadable."""
    with reading(file) as (descriptor, size):
        for block in blocks(descriptor, size):
            for raw in block.lines[:-1]:
                yield raw, True
            yield block.lines[-1], block.ended


def records(file: Path) -> Iterator[Record]:
    """Every record in order, chain checked. A torn tail ends it; raises JournalDamaged for anything else."""
    for record, _ in walk(file):
        yield record


def walk(file: Path) -> Iterator[tuple[Record, End]]:
    """Every record with the journal's end as it was right after it. Raises JournalDamaged."""
    head, size, number = lines.START, 0, 0
    waiting: tuple[int, lines.Damaged] | None = None
    for raw, ended in raw_lines(file):
        number += 1
        if waiting is not None:
            raise JournalDamaged(file, waiting[0], str(waiting[1]))
        if not ended:
            return
        try:
            record, head = lines.decode(raw, head)
        except lines.Damaged as error:
            # The last line may be torn by a power cut although it ends: only what follows tells.
            waiting = (number, error)
            continue
        size += len(raw) + 1
        yield record, End(seq=record.seq, head=head, size=size)


def end(file: Path) -> End:
    """Where the journal stands, read through once. Raises JournalDamaged."""
    found = End()
    for _, found in walk(file):  # noqa: B007
        pass
    return End(seq=found.seq, head=found.head, size=found.size, torn=file.stat().st_size - found.size)


def mend(file: Path) -> tuple[End, int]:
    """Cut a torn tail. Returns the journal's end and how many bytes were cut. Raises JournalDamaged."""
    found = end(file)
    if found.torn:
        with file.open("r+b") as target:
            target.truncate(found.size)
    return End(seq=found.seq, head=found.head, size=found.size), found.torn
