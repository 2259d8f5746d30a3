"""A picture as SVG: one file, no script, no style sheet, no web font, no address. The same picture gives the same bytes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from html import escape

from cockpit.picture.ink import GROUND, Cell, Ink, Picture, cells, ink
from cockpit.text import unseen

CELL, LINE, SIZE = 8.4, 17, 14
"""Width of a cell, height of a line, size of the writing: pixels at full size."""

EDGE = 10
_FONT = "'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace"
_SVG = "http://www.w3.org/2000/svg"
_NO_XML = re.compile("[\ufffe\uffff]")

_ALLOWED: dict[str, frozenset[str]] = {
    "svg": frozenset({"viewBox", "width", "height", "role", "font-family", "font-size", "{xml}space"}),
    "title": frozenset(),
    "desc": frozenset(),
    "rect": frozenset({"x", "y", "width", "height", "fill"}),
    "text": frozenset({"x", "y", "fill", "textLength", "font-weight", "font-style", "text-decoration", "opacity"}),
}
"""Elements of ours and their attributes. Nothing that runs, loads, links or is looked up by a name is among them."""
_VALUE = re.compile(r"[-\w .,#%'()]*")


class NotOurs(Exception):
    """A file that is no picture of ours; the sentence says how it shows."""


def svg(picture: Picture, title: str, text: str = "") -> str:
    """The picture as an SVG file. `title` names it and `text` describes it, for who does not see it."""
    return "".join(_parts(picture, title, text))


def _parts(picture: Picture, title: str, text: str) -> Iterator[str]:
    width, height = round(picture.width * CELL + 2 * EDGE, 1), picture.height * LINE + 2 * EDGE
    yield (
        f'<svg xmlns="{_SVG}" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}" role="img" '
        f'font-family="{_FONT}" font-size="{SIZE}" xml:space="preserve">'
    )
    yield f"<title>{_escaped(title)}</title><desc>{_escaped(text or title)}</desc>\n"
    yield f'<rect x="0" y="0" width="{width:g}" height="{height}" fill="{GROUND}"/>\n'
    for y, line in enumerate(picture.lines[: picture.height]):
        runs = list(_runs(cells(line, picture.width)))
        for x, row, style in runs:
            fore_back = ink(style).colours
            if fore_back[1] != GROUND:
                yield (
                    f'<rect x="{EDGE + x * CELL:g}" y="{EDGE + y * LINE}" width="{len(row) * CELL:g}" height="{LINE}" '
                    f'fill="{fore_back[1]}"/>'
                )
        for x, row, style in runs:
            yield from _run(x, y, row, ink(style))
        yield "\n"
    yield "</svg>\n"


def _runs(row: list[Cell]) -> Iterator[tuple[int, list[str], str]]:
    """(first cell, signs, ink) of each run of one ink."""
    start = 0
    for x in range(1, len(row) + 1):
        if x == len(row) or row[x][1] != row[start][1]:
            yield start, [sign for sign, _ in row[start:x]], row[start][1]
            start = x


def _run(x: int, y: int, signs: list[str], style: Ink) -> Iterator[str]:
    """The signs of a run, cut where two blanks stand beside each other: viewers make one of them."""
    more = f' fill="{style.colours[0]}"'
    more += ' font-weight="bold"' * ("bold" in style.words) + ' font-style="italic"' * ("italic" in style.words)
    more += ' text-decoration="underline"' * ("underline" in style.words) + ' opacity="0.6"' * ("dim" in style.words)
    for first, last in _words(signs):
        yield (
            f'<text x="{EDGE + (x + first) * CELL:g}" y="{EDGE + y * LINE + SIZE - 1}" '
            f'textLength="{(last - first) * CELL:g}"{more}>{_escaped("".join(signs[first:last]))}</text>'
        )


def _words(signs: list[str]) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each stretch of signs without two blanks in it. A wide sign keeps both its cells."""
    first = -1
    last = 0
    for place, sign in enumerate(signs):
        if sign.isspace():
            continue
        if first >= 0 and place - last > 1:
            yield first, last
            first = -1
        first = place if first < 0 else first
        last = place + 1
    if first >= 0:
        yield first, last


def _escaped(text: str) -> str:
    return escape(_NO_XML.sub("·", unseen(text)), quote=False)


def again(data: bytes) -> str:
    """A file of ours, written anew from its parts alone: whatever else it holds does not come out. It can stand inside an
    HTML page. Raises NotOurs."""
    if b"<!" in data or b"<?" in data:
        raise NotOurs("it holds what no picture of ours holds")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError) as error:
        raise NotOurs(f"it is not well-formed: {error}") from None
    return "".join(_element(root, top=True))


def _element(element: ElementTree.Element, top: bool = False) -> Iterator[str]:
    space, _, name = element.tag.rpartition("}")
    if space != f"{{{_SVG}" or name not in _ALLOWED or (name == "svg") is not top:
        raise NotOurs(f"it holds <{name[:40]}>")
    yield f"<{name}" + (f' xmlns="{_SVG}"' if top else "")
    for key, value in element.attrib.items():
        short = key.replace("{http://www.w3.org/XML/1998/namespace}", "{xml}")
        if short not in _ALLOWED[name] or not _VALUE.fullmatch(value):
            raise NotOurs(f"its <{name}> has {short[:40]}")
        yield f' {short.replace("{xml}", "xml:")}="{escape(value)}"'
    yield f">{_escaped(element.text or '')}"
    if len(element) and not top:
        raise NotOurs(f"its <{name}> holds an element")
    for child in element:
        yield from _element(child)
    yield f"</{name}>"
