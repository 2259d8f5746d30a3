"""Before and after a step, side by side: what was so right before it began and right after it came to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cockpit.evidence import switch_off
from cockpit.replay.markers import Passage
from cockpit.state import RunState
from cockpit.ui.glyphs import GLYPHS
from cockpit.ui.pages.common import filled
from cockpit.ui.paint import Line, fit, when
from cockpit.ui.view import View, focus_step
from cockpit.ui.world.figures import dns
from cockpit.ui.world.listed import entries

if TYPE_CHECKING:
    from cockpit.replay.transport import Transport
    from cockpit.ui.app import CockpitApp

Row = tuple[str, Line, Line]
"""What it is about ('' goes on with the one before), how it was before, how it was after."""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """A step's life and the two states around it; `after` is None while it goes on."""

    ref: str
    passage: Passage
    before: RunState
    after: RunState | None


class Around:
    """The page of one step; it goes to another one with the focus."""

    def __init__(self, ref: str, sides: Sides | None) -> None:
        self.ref = ref
        self._sides = sides

    def paint(self, state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
        """Both states side by side; what differs is marked."""
        if self._sides is None:
            words = f" {self.ref or 'no step'} does not move in this recording: ↑ ↓ choose another step"
            return filled([[(words, "warn")]], width, height)
        return painted(self._sides, view, width, height)

    def press(self, app: CockpitApp, key: str) -> bool:
        """← → choose the side, ↑ ↓ the step, Enter goes to the moment that is chosen."""
        transport, view = app.source.transport, app.view
        if transport is None:
            return False
        match key:
            case "left" | "right":
                app.look(after=key == "right")
            case "up" | "down":
                service = self.ref.partition("/")[0]
                refs = list(app.state.services[service].steps) if service in app.state.services else []
                at = (refs.index(self.ref) if self.ref in refs else 0) + (1 if key == "down" else -1)
                if refs:
                    app.look(step=refs[max(0, min(at, len(refs) - 1))], scroll=0)
                    app.run_worker(around(app, transport))
            case "enter" if self._sides is not None:
                passage = self._sides.passage
                after = view.after and passage.last >= 0
                transport.stop_at(passage.last + 1 if after else max(1, passage.first))
                app.look(page="service", service=self.ref.partition("/")[0], step=self.ref, scroll=0)
            case _:
                return False
        return True


async def around(app: CockpitApp, transport: Transport) -> None:
    """Open the page for the step in focus."""
    ref = focus_step(app.state, app.view)
    passage = transport.passage(ref)
    sides = None
    if passage is not None:
        before = await transport.state(max(1, passage.first))
        after = await transport.state(passage.last + 1) if passage.last >= 0 else None
        sides = Sides(ref=ref, passage=passage, before=before, after=after)
    app.asides["around"] = Around(ref, sides)
    app.look(page="around", step=ref, service=ref.partition("/")[0])


def painted(sides: Sides, view: View, width: int, height: int) -> list[Line]:
    """The page. Pure."""
    half = (width - 3) // 2
    chosen = "after" if view.after and sides.after is not None else "before"
    lines: list[Line] = [
        [
            (f" {sides.ref}", "title"),
            ("   before and after   ", "dim"),
            ("← → side   ↑ ↓ step   Enter goes to that moment   Escape leaves", "key"),
        ],
        _beside(_head("before", sides.before, chosen), _head("after", sides.after, chosen), " ", half, width),
        [("─" * width, "frame")],
    ]
    body: list[Line] = []
    for what, before, after in rows(sides, half):
        if what:
            body.append([(f" {what} ", "title"), ("─" * max(0, width - len(what) - 2), "frame")])
        differs = _text(before) != _text(after)
        body.append(_beside(before, after, "≠" if differs else " ", half, width))
    room = max(1, height - len(lines))
    first = max(0, min(view.scroll, len(body) - room))
    return filled(lines + body[first : first + room], width, height)


def rows(sides: Sides, width: int) -> list[Row]:
    """All that is told of both moments, in columns of `width`."""
    before, after = sides.before, sides.after
    found: list[Row] = []
    steps = [_step(state, sides.ref) for state in (before, after)]
    for number in range(max(len(lines) for lines in steps)):
        one, two = (lines[number] if number < len(lines) else [] for lines in steps)
        found.append(("step" if not number else "", one, two))
    told = [_told(state, sides.ref, width) for state in (before, after)]
    section = ""
    for key in dict.fromkeys([*told[0], *told[1]]):
        name, one = told[0].get(key, ("", []))
        other, two = told[1].get(key, ("", []))
        name = name or other
        found.append((name if name != section else "", one, two))
        section = name
    captured = [dict(state.step(sides.ref).captured) if state is not None else {} for state in (before, after)]
    for number, key in enumerate(dict.fromkeys([*captured[0], *captured[1]])):
        lines = [[(f" {key}=", "dim"), (values[key], "")] if key in values else [] for values in captured]
        found.append(("captured" if not number else "", lines[0], lines[1]))
    output = [list(state.step(sides.ref).output) if state is not None else [] for state in (before, after)]
    for number in range(max(len(lines) for lines in output)):
        texts = [[(f" {lines[number]}", "")] if number < len(lines) else [] for lines in output]
        found.append(("output" if not number else "", texts[0], texts[1]))
    return found


def _head(word: str, state: RunState | None, chosen: str) -> Line:
    mark = ("▸ ", "key") if word == chosen else ("  ", "")
    if state is None:
        return [mark, (word, "title"), ("  it is still under way", "busy")]
    return [mark, (word, "title"), (f"  {when(state.utc)} UTC, event {state.seq}", "dim")]


def _step(state: RunState | None, ref: str) -> list[Line]:
    if state is None:
        return [[]]
    step = state.step(ref)
    glyph, style = GLYPHS[step.state]
    lines: list[Line] = [[(f" {glyph} {step.state}", style)]]
    if step.took:
        lines[0].append((f"  {step.took:.2f} s, attempt {step.attempt}", "dim"))
    if step.detail:
        lines.append([(f" {step.detail}", "")])
    return lines


def _told(state: RunState | None, ref: str, width: int) -> dict[str, tuple[str, Line]]:
    """(section, line) of each thing that the world's view shows of the step's service, by its key."""
    id = ref.partition("/")[0]
    if state is None or state.plan is None or id not in state.services:
        return {}
    seen = state.services[id]
    found: dict[str, tuple[str, Line]] = {}
    if seen.dns:
        found["dns"] = ("dns", [(" ", ""), *dns(state.plan, seen, state.utc, width - 1)])
    for entry in entries(state, state.plan, id, state.utc, switch_off(state, id, state.utc)):
        found[f"{entry.section} {entry.key}"] = (entry.section, [(" ", ""), *entry.line])
    return found


def _beside(one: Line, two: Line, mark: str, half: int, width: int) -> Line:
    return [*fit(one, half), (f" {mark} ", "warn"), *fit(two, width - half - 3)]


def _text(line: Line) -> str:
    return "".join(text for text, _ in line)
