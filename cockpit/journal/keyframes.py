"""Keyframes: whole states written beside the journal, so that a seek folds a few thousand events and not all of them.

They are an index: each can be made again from the journal, and a damaged, foreign or missing one only costs time. A line is a
header of fixed shape and the state without its plan, which the journal's first event holds:

    {"crc":"8 hex","head":"32 hex","seq":123,"state":{…}}

`head` is the chain's head after event `seq`; a keyframe whose head is not the journal's own there is not used.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from cockpit.events import RunStarted
from cockpit.journal import line as lines
from cockpit.journal.reader import records, walk
from cockpit.journal.seek import line_at
from cockpit.reduce import reduce
from cockpit.state import RunState

KEYFRAMES = "keyframes.jsonl"
EVERY = 5000
"""Events between two keyframes."""

_HEADER = re.compile(rb'\{"crc":"([0-9a-f]{8})","head":"([0-9a-f]{32})","seq":(\d+),"state":')
_decoder = msgspec.json.Decoder(RunState)


def encode(state: RunState, head: str) -> bytes:
    """The line of a state right after event `state.seq`, where the chain's head is `head`."""
    body = msgspec.json.encode(replace(state, plan=None))
    rest = b'"head":"%s","seq":%d,"state":%s}\n' % (head.encode(), state.seq, body)
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


def nearest(journal: Path, seq: int) -> RunState | None:
    """The latest keyframe at or before event `seq`, None when there is none that holds. Only reads."""
    places = [place for place in _places(journal.with_name(KEYFRAMES)) if place[0] <= seq]
    for number, head, offset, size in sorted(places, reverse=True):
        found = line_at(journal, number)
        if found is None:
            continue
        try:
            if lines.decode(found[1], None)[1] != head:
                continue
        except lines.Damaged:
            continue
        state = _read(journal.with_name(KEYFRAMES), offset, size)
        first = next(iter(records(journal)), None)
        if state is not None and first is not None and isinstance(first.event, RunStarted):
            return replace(state, plan=first.event.plan)
    return None


def state_at(journal: Path, seq: int) -> RunState:
    """The state right after event `seq` (or the last one before it): a keyframe and the rest. Raises JournalDamaged."""
    state = nearest(journal, seq) or RunState()
    for record in records(journal):
        if record.seq > seq:
            break
        if record.seq > state.seq:
            state = reduce(state, record)
    return state


def _places(file: Path) -> list[tuple[int, str, int, int]]:
    """(event, head, offset, size) of each line; nothing of the states is decoded."""
    found: list[tuple[int, str, int, int]] = []
    offset = 0
    try:
        with file.open("rb") as source:
            for line in source:
                header = _HEADER.match(line, 0, 200)
                if header is not None and line.endswith(b"}\n"):
                    found.append((int(header[3]), header[2].decode(), offset, len(line)))
                offset += len(line)
    except FileNotFoundError:
        return []
    return found


def _read(file: Path, offset: int, size: int) -> RunState | None:
    with file.open("rb") as source:
        source.seek(offset)
        line = source.read(size)
    header = _HEADER.match(line)
    rest = line[18:]
    if header is None or zlib.crc32(rest) != int(header[1], 16):
        return None
    try:
        return _decoder.decode(line[header.end() : -2])
    except msgspec.MsgspecError:
        return None
