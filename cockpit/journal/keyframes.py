"""Keyframes: whole states written beside the journal, so that a seek folds a few thousand events and not all of them.

They are an index: each can be made again from the journal, and a damaged, foreign or missing one only costs time. A line is a
header of fixed shape and the state without its plan, which the journal's first event holds:

    {"crc":"8 hex","head":"32 hex","seq":123,"packed":"base64 of the state's JSON, compressed by zlib"}

Older ones hold the JSON itself as `state`. `head` is the chain's head after event `seq`; a keyframe whose head is not the
journal's own there is not used.
"""

from __future__ import annotations

import os
import re
import zlib
from binascii import a2b_base64, b2a_base64
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec.structs import replace

from cockpit.events import RunStarted
from cockpit.journal import line as lines
from cockpit.journal.opening import JournalUnreadable, open_journal
from cockpit.journal.reader import records, walk
from cockpit.journal.seek import line_at
from cockpit.journal.split import blocks
from cockpit.reduce import reduce
from cockpit.state import RunState

KEYFRAMES = "keyframes.jsonl"
EVERY = 2000
"""Events between two keyframes: a seek that folds so many takes some hundredths of a second."""

LARGEST = 256 << 20
"""Bytes of a state's JSON; no state is nearly as large."""

_HEADER = re.compile(rb'\{"crc":"([0-9a-f]{8})","head":"([0-9a-f]{32})","seq":(\d{1,15}),"(state":|packed":")')
_LONGEST_HEADER = 200
_decoder = msgspec.json.Decoder(RunState)


def encode(state: RunState, head: str) -> bytes:
    """The line of a state right after event `state.seq`, where the chain's head is `head`."""
    body = b2a_base64(zlib.compress(msgspec.json.encode(replace(state, plan=None)), 1), newline=False)
    rest = b'"head":"%s","seq":%d,"packed":"%s"}\n' % (head.encode(), state.seq, body)
    return b'{"crc":"%08x",%s' % (zlib.crc32(rest), rest)


def append(journal: Path, state: RunState) -> None:
    """Write the keyframe of `state`, whose last event must be in the journal. Blocks. A failure is no harm: OSError."""
    found = line_at(journal, state.seq)
    if found is None:
        return
    try:
        _, head = lines.decode(found[1], None)
    except lines.Damaged:
        return
    data = encode(state, head)
    descriptor = os.open(journal.with_name(KEYFRAMES), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def rebuild(journal: Path, every: int = EVERY) -> int:
    """Write all keyframes of a journal anew; returns how many. Blocks. Raises JournalDamaged."""
    target = journal.with_name(KEYFRAMES)
    fresh = target.with_suffix(".new")
    count = 0
    state = RunState()
    with fresh.open("wb") as out:
        for record, end in walk(journal):
            state = reduce(state, record)
            if record.seq % every == 0:
                out.write(encode(state, end.head))
                count += 1
    fresh.replace(target)
    return count


class Place(NamedTuple):
    """A keyframe in its file: of which event, with which head of the chain, and where."""

    seq: int
    head: str
    offset: int
    size: int
    line: int


class KeyframeFile:
    """The keyframes beside a journal. Only reads; what the file holds is looked through once."""

    def __init__(self, journal: Path) -> None:
        self._file = journal.with_name(KEYFRAMES)
        self._places: list[Place] | None = None
        self._size = -1
        self._bad: list[int] = []

    def places(self) -> list[Place]:
        """Where they are, in the order of their events; nothing of the states is decoded."""
        if self._places is None:
            self._places, self._bad = _places(self._file)
        return self._places

    def look_again(self) -> None:
        """Look through the file anew where it has grown or shrunk since."""
        try:
            size = self._file.stat().st_size
        except OSError:
            size = 0
        if size != self._size:
            self._size, self._places = size, None

    def bad(self) -> list[int]:
        """Lines that are no keyframe, or not the one that was written. Reads all of it."""
        places = self.places()
        try:
            with self._file.open("rb") as source:
                wrong = [place.line for place in places if not _holds(_line(source, place))]
        except OSError:
            return []
        return sorted([*self._bad, *wrong])

    def read(self, place: Place) -> RunState | None:
        """The state of a keyframe, without its plan; None for one that is not what was written."""
        try:
            with self._file.open("rb") as source:
                return _state(_line(source, place))
        except OSError:
            return None


def nearest(journal: Path, seq: int, frames: KeyframeFile | None = None) -> RunState | None:
    """The latest keyframe at or before event `seq`, None when there is none that holds. Only reads. `frames` is what is known of
    the file already."""
    frames = frames or KeyframeFile(journal)
    for place in reversed([place for place in frames.places() if place.seq <= seq]):
        found = line_at(journal, place.seq)
        if found is None:
            continue
        try:
            if lines.decode(found[1], None)[1] != place.head:
                continue
        except lines.Damaged:
            continue
        state = frames.read(place)
        first = next(iter(records(journal)), None)
        if state is not None and first is not None and isinstance(first.event, RunStarted):
            return replace(state, plan=first.event.plan)
    return None


def _places(file: Path) -> tuple[list[Place], list[int]]:
    """The keyframes in the order of their events, and the lines that are none."""
    found: list[Place] = []
    bad: list[int] = []
    try:
        descriptor, size = open_journal(file)
    except JournalUnreadable:
        return [], []
    try:
        number = 0
        for block in blocks(descriptor, size):
            offset = block.offset
            for line in block.lines:
                number += 1
                header = _HEADER.match(line, 0, _LONGEST_HEADER)
                if header is not None and line.endswith(b"}") and block.ended:
                    found.append(Place(int(header[3]), header[2].decode(), offset, len(line), number))
                else:
                    bad.append(number)
                offset += len(line) + 1
    finally:
        os.close(descriptor)
    return sorted(found), bad


def _line(source: BinaryIO, place: Place) -> bytes:
    source.seek(place.offset)
    return source.read(place.size)


def _holds(line: bytes) -> bool:
    header = _HEADER.match(line)
    return header is not None and zlib.crc32(b"\n", zlib.crc32(memoryview(line)[18:])) == int(header[1], 16)


def _state(line: bytes) -> RunState | None:
    header = _HEADER.match(line)
    if header is None or not _holds(line):
        return None
    try:
        if header[4].startswith(b"state"):
            return _decoder.decode(memoryview(line)[header.end() : -1])
        packed = a2b_base64(memoryview(line)[header.end() : -2])
        return _decoder.decode(zlib.decompressobj().decompress(packed, LARGEST))
    except (ValueError, zlib.error, msgspec.MsgspecError, RecursionError):
        return None
