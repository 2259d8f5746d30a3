"""The report as a document: sections of paragraphs, tables and charts, which the painters for HTML and Markdown share."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.report.rows import TEXT, short

Mood = Literal["", "good", "bad", "mind"]
"""Whether something is good or bad news, or to be minded."""


LONGEST_NAME = 120
"""Characters of a name that are shown."""

NAMES = frozenset(
    {"by", "whose", "step", "service", "gate", "on", "wave", "seen from", "whose screen", "plan", "run", "title"}
)
"""Heads of columns that hold names."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what a section holds."""


class Text(Block, frozen=True, kw_only=True):
    """A paragraph. Its text says its mood, too: a colour alone tells nothing."""

    text: str
    mood: Mood = ""


class Row(Block, frozen=True, kw_only=True):
    """A row. `seq` is the event that shows it; `more` are (title, text) that a reader may open."""

    cells: tuple[str, ...]
    seq: int = 0
    mood: Mood = ""
    more: tuple[tuple[str, str], ...] = ()
    picture: str = ""
    """SVG of ours (`cockpit.picture.svg.again`) that stands with what a reader may open; its text is in `more`."""


class Table(Block, frozen=True, kw_only=True):
    """A table with a caption. The first column heads its rows; `numbers` are the columns that are figures."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numbers: frozenset[int] = frozenset()
    folded: bool = False
    """Whether it is long and only opened by who wants it."""

    def cell(self, row: Row, column: int) -> str:
        """What stands in a cell. Whatever names people, hosts and plans have, a page stays one that can be read."""
        name = column == 0 or self.head[column] in NAMES
        return short(row.cells[column], LONGEST_NAME if name else TEXT)


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar from one second to another. `sort` is planned, actual, verify or undo."""

    start: float
    end: float
    sort: Literal["planned", "actual", "verify", "undo"]
    critical: bool = False
    text: str = ""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a Gantt chart."""

    name: str
    bars: tuple[Bar, ...]


class Gantt(Block, frozen=True, kw_only=True):
    """Bars over time, seconds from the first step's start. Its figures are in a table of the section."""

    id: str
    title: str
    text: str
    lanes: tuple[Lane, ...]
    length: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A share over time: (second, 0 to 1), each holding until the next."""

    name: str
    points: tuple[tuple[float, float], ...]
    sort: Literal["first", "second"] = "first"


class Curve(Block, frozen=True, kw_only=True):
    """Shares over time. Its figures are in a table of the section."""

    id: str
    title: str
    text: str
    lines: tuple[Line, ...]
    length: float


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the report."""

    id: str
    title: str
    blocks: tuple[Block, ...]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report. `run` is what `cockpit replay` is asked for."""

    run: str
    title: str
    sections: tuple[Section, ...]
