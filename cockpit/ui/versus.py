"""This run beside another one, step by step, and how far the other one was at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.replay.against import Comparison, Life, Row
from cockpit.state import RunState
from cockpit.ui.glyphs import GLYPHS
from cockpit.ui.pages.common import filled
from cockpit.ui.paint import Line, fit, seconds
from cockpit.ui.view import View

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp


class Versus:
    """The page of a comparison."""

    def __init__(self, found: Comparison) -> None:
        self._found = found
        self._here = 0

    def paint(self, state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
        """The table, with the states of this moment."""
        return painted(self._found, self._here, state, width, height)

    def press(self, app: CockpitApp, key: str) -> bool:
        """↑ ↓ choose the step, Enter goes to where it began in this run."""
        rows = self._found.rows
        match key:
            case "up" | "down" | "pageup" | "pagedown":
                by = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10}[key]
                self._here = max(0, min(self._here + by, len(rows) - 1))
            case "home" | "end":
                self._here = 0 if key == "home" else len(rows) - 1
            case "enter":
                row, transport = rows[self._here], app.source.transport
                if row.one is None or transport is None:
                    app.say(f"{row.ref} did not begin in this run")
                    return True
                transport.go(row.ref)
                app.look(page="service", service=row.ref.partition("/")[0], step=row.ref, scroll=0)
                return True
            case _:
                return False
        app.look()
        return True


def painted(found: Comparison, here: int, state: RunState, width: int, height: int) -> list[Line]:
    """The page. Pure."""
    at = state.utc - found.zero_one
    name = max(12, min(28, width // 4))
    half = max(18, (width - name - 22) // 2)
    lines: list[Line] = [
        [
            (" this run ", "title"),
            (f"{found.one.run} {found.one.mode}", ""),
            ("   beside ", "dim"),
            (f"{found.two.run} {found.two.mode}", ""),
            ("" if found.one.hash == found.two.hash else "   the plans differ", "warn"),
        ],
        [
            (f" aligned where {found.align} began", "dim"),
            (f"   they part: {found.why}" if found.parts else "   every step came out the same", _tone(found)),
        ],
        _row("step", _title("this run", half), _title("the other", half), "longer", name, half),
        [("─" * width, "frame")],
    ]
    room = max(1, height - len(lines))
    first = max(0, min(here - room // 2, len(found.rows) - room))
    for number, row in enumerate(found.rows[first : first + room], first):
        mark = "▸" if number == here else "≠" if row.ref == found.parts else " "
        one = _life(row.one, found.zero_one, state.utc, half)
        two = _life(row.two, found.zero_two, found.zero_two + at, half)
        lines.append(_row(f"{mark}{row.ref}", one, two, _longer(row), name, half, row.word))
    return filled(lines, width, height)


def _row(ref: str, one: Line, two: Line, longer: str, name: int, half: int, word: str = "") -> Line:
    style = "warn" if word in {"slower", "faster"} else "bad" if word else "dim"
    return [*fit([(ref, "title")], name), *fit(one, half), *fit(two, half), (f"{longer:>10} ", style), (word, style)]


def _title(text: str, half: int) -> Line:
    return [(text, "title"), ("  began, took", "dim")] if half > 24 else [(text, "title")]


def _life(life: Life | None, zero: float, utc: float, half: int) -> Line:
    """How a step stood at a moment, when it began and what it took in the end."""
    if life is None:
        return [("–", "dim")]
    now = life.at(utc)
    glyph, style = GLYPHS.get(now, ("·", "dim"))
    began = life.began - zero
    end, tone = GLYPHS.get(life.state, ("?", ""))
    return [
        (f"{glyph} ", style),
        (f"{'-' if began < 0 else '+'}{seconds(abs(began)):>7} ", "dim"),
        (f"{seconds(life.took):>7} " if life.ended else "  –     ", ""),
        (f"→ {end} {life.state}" if now != life.state else life.state, tone if now == life.state else "dim"),
        (f" ×{life.begun}" if life.begun > 1 else "", "warn"),
    ]


def _longer(row: Row) -> str:
    slower = row.slower
    return "" if slower is None else f"{slower:+.1f} s"


def _tone(found: Comparison) -> str:
    return "bad" if found.parts else "good"
