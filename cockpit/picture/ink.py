"""What a screen is made of when it leaves the program: signs, each in one ink. Nothing in it can act on a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from cockpit.text import unseen

GROUND, SIGNS = "#121212", "#e0e0e0"
"""The colours of paper and of writing where an ink names none: those of the screen's theme."""

Span = tuple[str, str]
"""Text and its ink in words: `bold #ffd700 on #262626`; '' for the plain one."""

Cell = tuple[str, str]
"""One cell of a terminal: its sign and its ink. A wide sign is followed by a cell with no sign."""

_WORDS = ("bold", "dim", "italic", "underline", "reverse")
_LONGEST = 80
_INK = re.compile(rf"((?:(?:{'|'.join(_WORDS)}) ?)*)(#[0-9a-f]{{6}})? ?(?:on (#[0-9a-f]{{6}}))?")


class Ink(msgspec.Struct, frozen=True):
    """How signs are written. Colours are `#rrggbb`, '' for the theme's."""

    words: frozenset[str] = frozenset()
    fore: str = ""
    back: str = ""

    @property
    def colours(self) -> tuple[str, str]:
        """Writing and paper as they come out: `reverse` turns them round."""
        fore, back = self.fore or SIGNS, self.back or GROUND
        return (back, fore) if "reverse" in self.words else (fore, back)


def ink(words: str) -> Ink:
    """The ink of its words; the plain one for what are none."""
    # What is remembered must not be as long as somebody likes.
    return _ink(words) if len(words) <= _LONGEST else Ink()


@lru_cache(4096)
def _ink(words: str) -> Ink:
    found = _INK.fullmatch(words)
    return Ink(frozenset(found[1].split()), found[2] or "", found[3] or "") if found else Ink()


class Picture(msgspec.Struct, frozen=True):
    """A screen of `width` × `height` cells."""

    width: int
    height: int
    lines: tuple[tuple[Span, ...], ...]


def width_of(sign: str) -> int:
    """Cells that one sign takes: 0 for what stands on the sign before it."""
    if sign.isascii():
        return 1
    if unicodedata.category(sign) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def cells(line: Iterable[Span], width: int) -> list[Cell]:
    """The cells of a line, exactly `width` of them. Signs that would act on a terminal become `·`."""
    out: list[Cell] = []
    for raw, style in line:
        text = unseen(raw)
        if text.isascii():
            out += [(sign, style) for sign in text]
            continue
        for sign in text:
            size = width_of(sign)
            if size:
                out.append((sign, style))
                out += [("", style)] * (size - 1)
            elif out:
                at = len(out) - 1 if out[-1][0] else len(out) - 2
                out[at] = (out[at][0] + sign, out[at][1])
    if len(out) > width:
        cut = not out[width][0]  # Of a wide sign at the edge only half would fit.
        out = [*out[: width - 1], (" ", out[width - 1][1]) if cut else out[width - 1]]
    return out + [(" ", "")] * (width - len(out))


def joined(row: Sequence[Cell]) -> tuple[Span, ...]:
    """Cells as spans again."""
    out: list[tuple[list[str], str]] = []
    for sign, style in row:
        if out and out[-1][1] == style:
            out[-1][0].append(sign)
        else:
            out.append(([sign], style))
    return tuple(("".join(signs), style) for signs, style in out)


def text_of(picture: Picture) -> str:
    """The picture as text, a line for each of its lines, without spaces at their ends."""
    return "".join("".join(sign for sign, _ in cells(line, picture.width)).rstrip() + "\n" for line in picture.lines)
