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
from cockpit.replay.stores import Known
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

    surveying = False
    survey_process = 0

    def __init__(self, descriptor: int, journal: Path | None = None) -> None:
        """Takes over the open file. `journal` is where it lies, when it is the run's own: it may have keyframes."""
        self._descriptor = descriptor
        self._journal = journal
        self._frames = keyframes.KeyframeFile(journal) if journal is not None else None
        self._nearest: tuple[int, RunState | None] | None = None
        """The event of the latest keyframe that was asked for, and the state that holds there."""
        self._looking = threading.Lock()
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
        """A sentence about it."""
        self._caught_up = False

    @property
    def known(self) -> Known:
        """How far it is read. It is not checked: it is the conductor's own, and it is still being written."""
        size = self._read if self._caught_up else max(self._read, self._there())
        return Known(size=size, read=self._read, complete=self._caught_up, done=True, torn=self.notice)

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
        self._caught_up = True
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

    def nearest(self, count: int) -> tuple[int, RunState] | None:
        """From the keyframes in the run's folder. The file is looked through again only when it has grown, and the
        keyframe that was used last is kept: steps and seeks beside each other read nothing."""
        if self._journal is None or self._frames is None or not count:
            return None
        with self._looking:
            seq = self._seqs[count - 1]
            self._frames.look_again()
            wanted = max((place.seq for place in self._frames.places() if place.seq <= seq), default=0)
            if wanted and (self._nearest is None or self._nearest[0] != wanted):
                self._nearest = (wanted, keyframes.nearest(self._journal, seq, self._frames))
            state = self._nearest[1] if wanted and self._nearest is not None else None
        return (self.timeline.after_seq(state.seq), state) if state is not None else None

    def close(self) -> None:
        """Let go of the file."""
        with self._closing:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)

    def _there(self) -> int:
        with self._closing:
            return 0 if self._closed else os.fstat(self._descriptor).st_size

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
