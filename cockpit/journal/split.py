"""A file as lines, with bounded memory whatever is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

CHUNK = 1 << 20
LONGEST = 64 << 20
"""Bytes of a line that are held; no event is nearly as long. Of a longer one only the beginning is given."""
_SHOWN = 1024


class Block(NamedTuple):
    """Lines that stand one behind the other, without their newlines."""

    offset: int
    """Of the first, in bytes."""
    lines: list[bytes]
    ended: bool
    """Whether the last of them had a newline."""
    cut: int
    """Bytes that were left out of the last one because it is too long; it is the only one then."""

    @property
    def size(self) -> int:
        """Bytes that they take in the file."""
        return sum(map(len, self.lines)) + len(self.lines) - (not self.ended) + self.cut


def blocks(descriptor: int, size: int, start: int = 0) -> Iterator[Block]:
    """All lines from `start` (where a line begins) up to `size` bytes. A file that has become shorter ends earlier."""
    at, offset, held, long = start, start, 0, False
    parts: list[bytes] = []
    while at < size:
        chunk = os.pread(descriptor, min(CHUNK, size - at), at)
        if not chunk:
            break
        at += len(chunk)
        last = chunk.rfind(b"\n")
        if last < 0:
            held += len(chunk)
            long = long or held > LONGEST
            parts.append(chunk)
            if long:
                del parts[1:]
            continue
        if long:
            first = chunk.find(b"\n")
            yield Block(offset, [parts[0][:_SHOWN]], True, held + first - min(_SHOWN, len(parts[0])))
            offset += held + first + 1
            lines = chunk[first + 1 : last].split(b"\n") if last > first else []
        else:
            lines = b"".join((*parts, chunk[:last])).split(b"\n")
        if lines:
            block = Block(offset, lines, True, 0)
            yield block
            offset += block.size
        rest = chunk[last + 1 :]
        parts, held, long = [rest] if rest else [], len(rest), False
    if long:
        yield Block(offset, [parts[0][:_SHOWN]], False, held - min(_SHOWN, len(parts[0])))
    elif held:
        yield Block(offset, [b"".join(parts)], False, 0)
