"""One thing to look at on the page of the world's view: a line in the list, and what it says in full when it is in focus."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import msgspec
from rich.cells import cell_len, chop_cells

from cockpit.ui.paint import Line

Detail = Callable[[int], list[Line]]
"""A width → lines. Called for the entry in focus alone."""


class Entry(msgspec.Struct, frozen=True):
    """`key` stays the same from frame to frame; entries of one `section` stand together under it."""

    key: str
    section: str
    line: Line
    detail: Detail


def wrapped(text: str, width: int, style: str = "", indent: str = " ") -> list[Line]:
    """A text as lines of at most `width` cells."""
    room = max(1, width - len(indent))
    lines: list[Line] = []
    for line in text.splitlines():
        for piece in textwrap.wrap(line, room) or [""]:
            for part in chop_cells(piece, room) if cell_len(piece) > room else [piece]:
                lines.append([(indent, ""), (part, style)])
    return lines


def facts(pairs: list[tuple[str, str]], width: int) -> list[Line]:
    """Names and values below one another; a value that is long goes on below itself. Empty values are left out."""
    shown = [(name, value) for name, value in pairs if value]
    column = min(max((cell_len(name) for name, _ in shown), default=0), max(8, width // 3))
    lines: list[Line] = []
    for name, value in shown:
        parts = wrapped(value, max(8, width - column - 2), indent="") or [[("", "")]]
        for index, part in enumerate(parts):
            lines.append([(f" {name if not index else '':<{column}.{column}} ", "dim"), *part])
    return lines
