"""Finding an event in a journal by its number: a binary search over the file, so that no index has to be kept."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_SEQ = b'"seq":'
HEADER = 200
"""A line's number stands within so many bytes."""


def line_at(file: Path, seq: int) -> tuple[int, bytes] | None:
    """(offset, line without newline) of the event of that number, None when it is not there."""
    with file.open("rb") as source:
        offset = _offset(source, seq)
        source.seek(offset)
        line = source.readline()
    if not line.endswith(b"\n") or number_of(line) != seq:
        return None
    return offset, line[:-1]


def offset_after(file: BinaryIO, seq: int) -> int:
    """Offset of the first line whose number is over `seq`; the file's end when there is none yet."""
    return _offset(file, seq + 1)


def number_of(line: bytes) -> int:
    """The number that a line carries, -1 for one that has none."""
    found = line.find(_SEQ, 0, HEADER)
    if found < 0:
        return -1
    digits = line[found + len(_SEQ) : found + len(_SEQ) + 20].partition(b",")[0]
    return int(digits) if digits.isdigit() else -1


def _offset(source: BinaryIO, seq: int) -> int:
    """Offset of the first line whose number is at least `seq`."""
    low, high = 0, source.seek(0, 2)
    while low < high:
        middle = (low + high) // 2
        source.seek(middle)
        if middle:
            source.seek(middle - 1)
            source.readline()
        start = source.tell()
        line = source.readline()
        if start >= high or not line.endswith(b"\n") or number_of(line) >= seq:
            high = middle
        else:
            low = start + len(line)
    return low
