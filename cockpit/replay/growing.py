"""The journal of a run that goes on, as a recording that grows: read again and again from an open file, which may be a copy."""

from __future__ import annotations

import os
import threading
import time
from array import array
from pathlib import Path
from typing import get_args

import msgspec
from msgspec.structs import replace

from cockpit.events import AnyEvent, Record, Unknown
from cockpit.journal import keyframes
from cockpit.journal import line as lines
from cockpit.replay.timeline import IDLE, Meters, Moment, Timeline, moment
from cockpit.state import RunState

PIECE = 1 << 18
"""Bytes read in one go."""

LOUD = frozenset(
    {
        "step.moved", "gate.opened", "gate.closed", "note", "downtime.seen", "downtime.alarm", "wheel.taken", "wheel.lost",
        "trouble", "run.panicked", "run.ended",
    }
)  # fmt: skip
"""Kinds of events that may be moments; the others need no decoding."""

KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)) - {"unknown"}


class _Kind(msgspec.Struct, frozen=True):
    kind: str = ""


class _Slim(msgspec.Struct, frozen=True):
    seq: int
    utc: float
    event: _Kind


class _Line(msgspec.Struct, frozen=True):
    rec: _Slim


class GrowingStore:
    """See `cockpit.replay.recording.Store`. One thread calls `grow` again and again; any may ask for the rest."""

    def __init__(self, descriptor: int, journal: Path | None = None) -> None:
        """Takes over the open file. `journal` is where it lies, when it is the run's own: it may have keyframes."""
        self._descriptor = descriptor
        self._journal = journal
        self._offsets, self._seqs = array("q"), array("q")
        self._utc, self._shown = array("d"), array("d")
        self._moments: tuple[Moment, ...] = ()
        self._meters = Meters()
        self._slim = msgspec.json.Decoder(_Line)
        self._read = 0
        """Bytes of whole lines that are known."""
        self._closing = threading.Lock()
        self._closed = False
        self.timeline = Timeline(seqs=self._seqs, utc=self._utc, shown=self._shown)
        self.notice = ""
        self.complete = False
        """Whether all is known that was there when it was looked last."""

    @property
    def total(self) -> int:
        """How many events are known."""
        return len(self._seqs)

    @property
    def size(self) -> int:
        """Bytes that are known."""
        return self._read

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._descriptor

    def grow(self) -> bool:
        """Take what is new; whether anything was. Blocks, giving other threads their turns."""
        rest, at, before = b"", self._read, len(self._seqs)
        while piece := self._pread(PIECE, at):
            at += len(piece)
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                self._take(whole)
            else:
                rest = whole + rest
            time.sleep(0)
        self.complete = True
        return len(self._seqs) > before

    def records(self, first: int, last: int) -> list[Record]:
        """Read and decoded now. One that is damaged is left out."""
        if first >= last:
            return []
        start = self._offsets[first]
        end = self._offsets[last] if last < len(self._offsets) else self._read
        data = self._pread(end - start, start)
        found: list[Record] = []
        for place in range(first, last):
            begin = self._offsets[place] - start
            try:
                found.append(lines.decode_unchained(data[begin : data.find(b"\n", begin)]))
            except lines.Damaged:
                continue
        return found

    def nearest(self, seq: int) -> RunState | None:
        """From the keyframes in the run's folder."""
        return keyframes.nearest(self._journal, seq) if self._journal is not None else None

    def close(self) -> None:
        """Let go of the file."""
        with self._closing:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)

    def _pread(self, size: int, offset: int) -> bytes:
        with self._closing:
            return b"" if self._closed else os.pread(self._descriptor, size, offset)

    def _take(self, whole: bytes) -> None:
        moments: list[Moment] = []
        for line in whole.split(b"\n"):
            offset, self._read = self._read, self._read + len(line) + 1
            try:
                slim = self._slim.decode(line).rec
            except msgspec.MsgspecError:
                self.notice = f"event {self._seqs[-1] + 1 if self._seqs else 1} cannot be read and is left out"
                continue
            index, utc = len(self._seqs), slim.utc
            gap = min(max(0.0, utc - self._utc[-1]), IDLE) if index else 0.0
            found = self._moment(index, line, slim.event.kind)
            if found is not None:
                moments.append(found)
            self._offsets.append(offset)
            self._shown.append(self._shown[-1] + gap if index else 0.0)
            self._utc.append(utc)
            # Whoever reads meanwhile takes the length from here.
            self._seqs.append(slim.seq)
        if moments:
            self._moments = (*self._moments, *moments)
            self.timeline = replace(self.timeline, moments=self._moments)

    def _moment(self, index: int, line: bytes, kind: str) -> Moment | None:
        if kind in KNOWN and kind not in LOUD:
            return None
        try:
            record = lines.decode_unchained(line)
        except lines.Damaged:
            return None
        if isinstance(record.event, Unknown) and kind in KNOWN:
            return None
        return moment(index, record) or self._meters.moment(index, record)
