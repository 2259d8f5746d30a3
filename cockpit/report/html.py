"""The report as one HTML file: no script, no network, nothing beside it. It is well-formed XML, too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from cockpit.report.charts import curve, gantt
from cockpit.report.pages import Block, Curve, Document, Gantt, Row, Section, Table, Text
from cockpit.report.safe import in_html, replay
from cockpit.report.style import css

_GLYPHS = {"": "", "good": "✓ ", "bad": "✗ ", "mind": "! "}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def paint(document: Document) -> str:
    """The whole file."""
    return "".join(_parts(document))


def _parts(document: Document) -> Iterator[str]:
    title = in_html(document.title)
    yield "<!DOCTYPE html>\n"
    yield '<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>'
    yield f'<meta http-equiv="Content-Security-Policy" content="{in_html(_POLICY)}"/>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    yield f'<meta name="referrer" content="no-referrer"/><title>{title}</title><style>{css()}</style></head><body>\n'
    yield f'<a class="skip" href="#main">To the report</a><header><h1>{title}</h1></header>\n'
    yield '<nav aria-label="Sections"><ol>'
    for section in document.sections:
        yield f'<li><a href="#{section.id}">{in_html(section.title)}</a></li>'
    yield '</ol></nav>\n<main id="main" tabindex="-1">\n'
    numbers = count(1)
    for section in document.sections:
        yield from _section(section, document.run, numbers)
    yield "</main>\n<footer><p>Times are UTC. Each row names the command that shows its moment in a replay; for a run that is "
    yield "kept elsewhere, put its folder in place of the run's name.</p></footer></body></html>\n"


def _section(section: Section, run: str, numbers: Iterator[int]) -> Iterator[str]:
    yield f'<section id="{section.id}" aria-labelledby="{section.id}-head">'
    yield f'<h2 id="{section.id}-head">{in_html(section.title)}</h2>\n'
    for block in section.blocks:
        yield from _block(block, run, numbers)
    yield "</section>\n"


def _block(block: Block, run: str, numbers: Iterator[int]) -> Iterator[str]:
    match block:
        case Text():
            mood = f' class="{block.mood}"' if block.mood else ""
            yield f"<p{mood}>{_GLYPHS[block.mood]}{in_html(block.text)}</p>\n"
        case Gantt():
            yield _figure(block, gantt(block))
        case Curve():
            yield _figure(block, curve(block))
        case Table(rows=()):
            yield f"<p>{in_html(block.caption)}: none.</p>\n"
        case Table(folded=True):
            rows = f"{len(block.rows):,} row{'s' * (len(block.rows) != 1)}"
            yield f"<details><summary>{in_html(block.caption)}, {rows}</summary>"
            yield from _table(block, run, next(numbers))
            yield "</details>\n"
        case Table():
            yield from _table(block, run, next(numbers))


def _figure(chart: Gantt | Curve, picture: str) -> str:
    title = in_html(chart.title)
    return (
        f"<figure><figcaption><strong>{title}</strong><br/>{in_html(chart.text)}</figcaption>"
        f'<div class="scroll" role="region" aria-label="Chart: {title}" tabindex="0">'
        f'<div class="chart">{picture}</div></div></figure>\n'
    )


def _table(table: Table, run: str, number: int) -> Iterator[str]:
    name = f"table-{number}"
    yield f'<div class="scroll" role="region" aria-labelledby="{name}" tabindex="0"><table>'
    yield f'<caption id="{name}">{in_html(table.caption)}</caption><thead><tr>'
    for column, head in enumerate(table.head):
        yield f'<th{_figures(table, column)} scope="col">{in_html(head)}</th>'
    yield '<th scope="col">shown by</th></tr></thead><tbody>\n'
    for row in table.rows:
        yield from _row(table, row, run)
    yield "</tbody></table></div>\n"


def _row(table: Table, row: Row, run: str) -> Iterator[str]:
    mood = f' class="{row.mood}"' if row.mood else ""
    yield f'<tr{mood}><th{_figures(table, 0)} scope="row">{in_html(table.cell(row, 0))}</th>'
    for column in range(1, len(row.cells)):
        yield f"<td{_figures(table, column)}>{in_html(table.cell(row, column))}</td>"
    shown = replay(run, row.seq)
    yield f'<td class="at">{f"<code>{in_html(shown)}</code>" if shown else "–"}</td></tr>\n'
    if row.more:
        titles = ", ".join(title.partition(",")[0].lower() for title, _ in row.more)
        yield f'<tr class="more"><td colspan="{len(table.head) + 1}"><details>'
        yield f"<summary>{in_html(table.cell(row, 0))}, event {row.seq}: {in_html(titles)}</summary>"
        for title, text in row.more:
            yield f'<p class="label">{in_html(title)}</p><pre>{in_html(text)}</pre>'
        if row.picture:
            yield f'<div class="screen">{row.picture}</div>'
        yield "</details></td></tr>\n"


def _figures(table: Table, column: int) -> str:
    return ' class="n"' if column in table.numbers else ""
