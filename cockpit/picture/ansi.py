"""Pictures as what a terminal is sent: only cells that changed since the one before. Escape sequences come from here alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from cockpit.picture.ink import Cell, Span, cells, ink

BEGIN = "\x1b[?25l\x1b[?7l\x1b[0m\x1b[2J"
"""No cursor, no wrapping at the edge, an empty screen (ECMA-48 §8.3.39; DEC private modes 25 and 7)."""

END = "\x1b[0m\x1b[?7h\x1b[?25h"

GAP = 8
"""Cells that stayed the same and are sent all the same, because moving over them costs as much."""

_CODES = {"bold": 1, "dim": 2, "italic": 3, "underline": 4, "reverse": 7}


class Terminal:
    """What one terminal of `width` × `height` cells shows, and what brings it to show something else."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._lines: list[Sequence[Span]] = []
        self._cells: list[list[Cell]] = [[(" ", "")] * width for _ in range(height)]

    def show(self, lines: Sequence[Sequence[Span]]) -> str:
        """What to send so that it shows these lines, '' when it does already. Spans are text and ink, as in `ink.Span`."""
        out: list[str] = []
        for y in range(self._height):
            line = lines[y] if y < len(lines) else ()
            if y < len(self._lines) and self._lines[y] == line:
                continue
            row = cells(line, self._width)
            for begin, end in _changed(self._cells[y], row):
                out += _written(row, y, begin, end)
            self._cells[y] = row
        self._lines = list(lines)
        return "".join(out)


def _changed(before: list[Cell], after: list[Cell]) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each stretch that differs. A wide sign is never cut in two."""
    begin = last = -1
    for x, cell in enumerate(after):
        if cell == before[x]:
            continue
        if begin >= 0 and x - last > GAP:
            yield _whole(after, begin, last + 1)
            begin = -1
        begin = x if begin < 0 else begin
        last = x
    if begin >= 0:
        yield _whole(after, begin, last + 1)


def _whole(row: list[Cell], begin: int, end: int) -> tuple[int, int]:
    while begin and not row[begin][0]:
        begin -= 1
    while end < len(row) and not row[end][0]:
        end += 1
    return begin, end


def _written(row: list[Cell], y: int, begin: int, end: int) -> Iterable[str]:
    style: str | None = None
    placed = False
    for x in range(begin, end):
        sign, wanted = row[x]
        if not sign:
            continue
        if not placed:
            yield f"\x1b[{y + 1};{x + 1}H"
        if wanted != style:
            yield sgr(wanted)
            style = wanted
        yield sign
        # A terminal may be of another mind about the width of such a sign: the next one is placed by number.
        placed = sign.isascii() or "─" <= sign <= "▟"


@lru_cache(4096)
def sgr(style: str) -> str:
    """The sequence that sets an ink and nothing else (ECMA-48 §8.3.117; colours by ISO 8613-6)."""
    found = ink(style)
    codes = ["0", *(str(code) for word, code in _CODES.items() if word in found.words)]
    for colour, plane in ((found.fore, 38), (found.back, 48)):
        if colour:
            codes.append(f"{plane};2;{int(colour[1:3], 16)};{int(colour[3:5], 16)};{int(colour[5:7], 16)}")
    return f"\x1b[{';'.join(codes)}m"
