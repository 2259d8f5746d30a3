"""A terminal emulator that is fed with casts, and what a replay's lines look like in its terms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyte

from cockpit.picture.ink import Span, cells, ink

Look = tuple[str, str, str, bool]
"""A cell: its sign, the colours of writing and paper, whether it is bold."""


class Emulator:
    """A terminal of `width` × `height` cells (pyte)."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)
        self._stream.use_utf8 = True

    def feed(self, data: str) -> None:
        self._stream.feed(data)

    def text(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def looks(self) -> list[list[Look]]:
        rows = []
        for y in range(self.screen.lines):
            row = [self.screen.buffer[y][x] for x in range(self.screen.columns)]
            rows.append([(char.data, char.fg, char.bg, char.bold) for char in row])
        return rows


def looks_of(lines: Iterable[Iterable[Span]], width: int) -> list[list[Look]]:
    """The cells that lines in inks should be."""
    rows = []
    for line in lines:
        row: list[Look] = []
        for sign, style in cells(line, width):
            found = ink(style)
            row.append((sign, found.fore[1:] or "default", found.back[1:] or "default", "bold" in found.words))
        rows.append(row)
    return rows


def events(file: Path) -> Iterator[tuple[float, str, str]]:
    """(seconds from the beginning, kind, data) of a cast of either version."""
    with file.open(encoding="utf-8") as source:
        header = json.loads(source.readline())
        total = 0.0
        for line in source:
            at, kind, data = json.loads(line)
            total = total + at if header["version"] == 3 else at
            yield total, kind, data


def header(file: Path) -> dict[str, object]:
    with file.open(encoding="utf-8") as source:
        return dict(json.loads(source.readline()))
