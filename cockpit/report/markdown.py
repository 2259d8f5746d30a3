"""The report in Markdown, with tables as GitHub has them."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.report.pages import Block, Curve, Document, Gantt, Section, Table, Text
from cockpit.report.safe import code_in_markdown, fenced, in_markdown, replay

_MOODS = {"": "", "good": "✓ ", "bad": "**✗** ", "mind": "**!** "}


def paint(document: Document) -> str:
    """The whole text."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"# {in_markdown(document.title)}"
    yield ""
    for section in document.sections:
        yield from _section(section, document.run)


def _section(section: Section, run: str) -> Iterator[str]:
    yield f"## {in_markdown(section.title)}"
    yield ""
    for block in section.blocks:
        yield from _block(block, run)
        yield ""


def _block(block: Block, run: str) -> Iterator[str]:
    match block:
        case Text():
            yield f"{_MOODS[block.mood]}{in_markdown(block.text)}"
        case Gantt() | Curve():
            yield f"*{in_markdown(block.title)}* (a chart in the HTML): {in_markdown(block.text)}"
        case Table(rows=()):
            yield f"{in_markdown(block.caption)}: none."
        case Table():
            yield from _table(block, run)


def _table(table: Table, run: str) -> Iterator[str]:
    yield f"### {in_markdown(table.caption)}"
    yield ""
    yield f"| {' | '.join(map(in_markdown, (*table.head, 'shown by')))} |"
    marks = ["---:" if number in table.numbers else "---" for number in range(len(table.head))]
    yield f"| {' | '.join((*marks, '---'))} |"
    for row in table.rows:
        shown = replay(run, row.seq)
        at = code_in_markdown(shown, cell=True) if shown else ""
        yield f"| {' | '.join((*(in_markdown(table.cell(row, column)) for column in range(len(row.cells))), at))} |"
    for row in table.rows:
        for title, text in row.more:
            yield ""
            yield f"{in_markdown(table.cell(row, 0))}, event {row.seq}: {in_markdown(title)}"
            yield ""
            yield fenced(text)
