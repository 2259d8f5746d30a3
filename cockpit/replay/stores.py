"""Where the events of a recording come from: a journal file, or records that are in memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

from cockpit.events import Record
from cockpit.journal import keyframes
from cockpit.journal import line as lines
from cockpit.journal.reader import walk
from cockpit.replay.timeline import Timeline, timeline
from cockpit.state import RunState


class ListStore:
    """Records in memory."""

    notice = ""
    complete = True

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.timeline = timeline(records)
        self.total = len(records)

    def records(self, first: int, last: int) -> list[Record]:
        """A slice."""
        return list(self._records[first:last])

    def nearest(self, seq: int) -> RunState | None:
        """There are no keyframes."""
        return None

    def close(self) -> None:
        """Nothing is held."""


class FileStore:
    """A journal file."""

    notice = ""
    complete = True

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offsets = array("q")

        def told() -> list[Record]:
            found: list[Record] = []
            before = 0
            for record, end in walk(file):
                self._offsets.append(before)
                before = end.size
                found.append(record)
            self._offsets.append(before)
            return found

        self.timeline: Timeline = timeline(told())
        self.total = len(self.timeline)

    def records(self, first: int, last: int) -> list[Record]:
        """Read and decoded now."""
        if first >= last:
            return []
        with self._file.open("rb") as source:
            source.seek(self._offsets[first])
            data = source.read(self._offsets[last] - self._offsets[first])
        return [lines.decode_unchained(raw) for raw in data.split(b"\n")[: last - first]]

    def nearest(self, seq: int) -> RunState | None:
        """From the keyframes file."""
        return keyframes.nearest(self._file, seq)

    def close(self) -> None:
        """Nothing is held."""
