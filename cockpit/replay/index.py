"""The index of a journal: where each event stands in the file, its number and its time, and the moments to go to.

It is made from the journal alone, in one quick pass that checks every line's checksum and decodes only what may be a moment.
It takes the very events that the thorough reading (cockpit/journal/salvage.py) takes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from zlib import crc32

import msgspec

from cockpit.events import (
    CompareSeen,
    DnsSeen,
    Event,
    HealthSeen,
    HorizonSeen,
    HostClock,
    HostSeen,
    LogSeen,
    Record,
    StepApplied,
    StepCaptured,
    StepIntended,
    StepOutput,
    StepProgress,
    TrafficSeen,
    WatchersChanged,
    WriterSeen,
)
from cockpit.journal import line as lines
from cockpit.journal.judge import Lost, Slim, foreign, insane, judge, slim
from cockpit.journal.order import Order
from cockpit.journal.split import blocks
from cockpit.replay.timeline import IDLE, Meters, Moment, moment

_COMMON: tuple[type[Event], ...] = (
    LogSeen, DnsSeen, HealthSeen, StepOutput, StepProgress, WriterSeen, TrafficSeen, CompareSeen, HorizonSeen,
    HostSeen, HostClock, StepIntended, StepApplied, StepCaptured, WatchersChanged,
)  # fmt: skip
COMMON = frozenset(str(kind.__struct_config__.tag) for kind in _COMMON)
"""Kinds that are many and never a moment: they are not decoded. Whatever is not among them is looked at."""


class Piece(msgspec.Struct, frozen=True, kw_only=True, tag="piece"):
    """The next events of an index, as the bytes of machine arrays: `offsets` and `seqs` of 64-bit integers, `utc` and `shown` of
    doubles. `read` is how far the file is read with it, bytes."""

    first: int
    offsets: bytes
    seqs: bytes
    utc: bytes
    shown: bytes
    moments: tuple[Moment, ...]
    read: int


class _Pass:
    """What goes on from block to block."""

    def __init__(self, idle: float) -> None:
        self.order = Order()
        self.meters = Meters()
        self.count = 0
        self.idle = idle
        self.at = 0.0
        self.before = 0.0
        self.begin()

    def begin(self) -> None:
        self.first = self.count
        self.offsets: list[int] = []
        self.seqs: list[int] = []
        self.utc: list[float] = []
        self.shown: list[float] = []
        self.moments: list[Moment] = []

    def take(self, offset: int, seq: int, utc: float) -> None:
        gap = utc - self.before
        if gap > 0 and self.count:
            self.at += gap if gap < self.idle else self.idle
        self.before = utc
        self.offsets.append(offset)
        self.seqs.append(seq)
        self.utc.append(utc)
        self.shown.append(self.at)
        self.count += 1

    def note(self, record: Record) -> None:
        found = moment(self.count - 1, record) or self.meters.moment(self.count - 1, record)
        if found is not None:
            self.moments.append(found)

    def piece(self, read: int) -> Piece:
        return Piece(
            first=self.first,
            offsets=array("q", self.offsets).tobytes(),
            seqs=array("q", self.seqs).tobytes(),
            utc=array("d", self.utc).tobytes(),
            shown=array("d", self.shown).tobytes(),
            moments=tuple(self.moments),
            read=read,
        )


def index(descriptor: int, size: int, idle: float = IDLE) -> Iterator[Piece]:
    """The index of an open journal up to `size` bytes, piece by piece."""
    going = _Pass(idle)
    order, take = going.order, going.take
    for block in blocks(descriptor, size):
        going.begin()
        at = block.offset
        if at == 0 and foreign(block.lines[0]):
            return
        for raw in block.lines if block.ended else block.lines[:-1]:
            least = _least(raw)
            if least is None or least.seq <= order.last or order.other or not order.first_head or insane(least):
                _thorough(going, at, raw, block.cut)
            else:
                order.last = least.seq
                take(at, least.seq, least.utc)
                if least.event.kind not in COMMON:
                    going.note(judge(raw).record)
            at += len(raw) + 1
        yield going.piece(block.offset + block.size)


def _least(raw: bytes) -> Slim | None:
    """The least of an event whose line is as this version writes it; None for a line that needs a closer look."""
    if raw[:8] != b'{"crc":"' or raw[16:26] != b'","prev":"' or raw[58:66] != b'","rec":' or raw[-1:] != b"}":
        return None
    body = raw[66:-1]
    try:
        return slim(body) if b"%08x" % crc32(body, crc32(raw[26:58])) == raw[8:16] else None
    except (msgspec.MsgspecError, RecursionError):
        return None


def _thorough(going: _Pass, offset: int, raw: bytes, cut: int) -> None:
    """A line that is not like most."""
    try:
        judged = judge(raw, cut)
    except Lost:
        return
    record = judged.record
    if going.order.takes(record.seq, judged.prev, judged.head):
        going.take(offset, record.seq, record.utc)
        going.note(record)


def read_back(raw: bytes) -> Record | None:
    """The record of a line that an index points to; None where the file is not any more what it was."""
    try:
        return lines.decode_unchained(raw)
    except lines.Damaged:
        try:
            return judge(raw).record
        except Lost:
            return None
