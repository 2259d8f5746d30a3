"""Shots as an asciicast, versions 2 and 3 (docs.asciinema.org/manual/asciicast): a header, then an event a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator

import msgspec

from cockpit.export.film import Shot
from cockpit.picture.ansi import BEGIN, END, Terminal
from cockpit.picture.ink import GROUND, SIGNS
from cockpit.text import harmless

VERSIONS = (2, 3)

MARK = 200
"""Characters of a marker's label, at the most."""

_PALETTE = (
    *("#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"),
    *("#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff"),
)
"""xterm's; a player wants one, and nothing of ours is written in it."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a player is told first. `size` is columns and rows, `began` UTC seconds, `idle` the longest pause, seconds."""

    size: tuple[int, int]
    title: str
    began: float
    idle: float


def cast(shots: Iterable[Shot], head: Head, version: int = 2) -> Iterator[str]:
    """The lines of the file, each with its end. A shot comes before its markers: at a marker its moment is on the screen."""
    yield _line(_header(head, version))
    terminal = Terminal(*head.size)
    told, begin, last = 0, BEGIN, 0.0
    for shot in shots:
        data = begin + terminal.show(shot.lines)
        begin, last = "", shot.at
        events = [("o", data)] if data else []
        events += [("m", harmless(mark, MARK)) for mark in shot.marks]
        for kind, text in events:
            at, told = _time(shot.at, told, version)
            yield _line([at, kind, text])
    if not begin:
        at, told = _time(last, told, version)
        yield _line([at, "o", END])


def _time(at: float, told: int, version: int) -> tuple[float, int]:
    """The time that stands in the file, and what was told so far, µs. Version 3 counts from the event before; whole
    microseconds, so that rounding never adds up."""
    now = round(at * 1_000_000)
    return (now if version == 2 else now - told) / 1_000_000, now


def _header(head: Head, version: int) -> dict[str, object]:
    width, height = head.size
    theme = {"fg": SIGNS, "bg": GROUND, "palette": ":".join(_PALETTE)}
    rest: dict[str, object] = {"timestamp": int(head.began), "title": harmless(head.title, MARK)}
    if math.isfinite(head.idle):
        rest["idle_time_limit"] = head.idle
    if version == 2:
        return {"version": 2, "width": width, "height": height, **rest, "theme": theme}
    return {"version": 3, "term": {"cols": width, "rows": height, "theme": theme}, **rest}


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
