"""The timeline and the notes."""

from __future__ import annotations

from cockpit.state import RunState, TimelineEntry
from cockpit.ui.glyphs import GLYPHS, LOUD
from cockpit.ui.pages.common import filled, marked
from cockpit.ui.paint import Line, seconds, when
from cockpit.ui.view import View


def timeline_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """What happened, in order; the newest at the bottom, `scroll` lines back."""
    words = view.filter.lower().split()
    entries = [
        entry
        for entry in state.timeline
        if all(word in f"{entry.ref} {entry.word} {entry.text} {entry.actor}".lower() for word in words)
    ]
    return _entries(" timeline", entries, state, view, width, height)


def notes_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """The operators' notes."""
    return _entries(" notes   m writes one", list(state.notes), state, view, width, height)


def _entries(
    title: str, entries: list[TimelineEntry], state: RunState, view: View, width: int, height: int
) -> list[Line]:
    room = max(1, height - 2)
    end = max(room, len(entries) - view.scroll)
    head: Line = [(title, "title"), (f"   {len(entries)} entries", "dim")]
    planned, spent = _planned_and_spent(state)
    if planned:
        head.append((f"   ticked steps took {seconds(spent)}, {seconds(planned)} were forecast", "dim"))
    lines: list[Line] = [head, [("─" * width, "frame")]]
    zero = (state.plan.planned_start if state.plan is not None else 0.0) or state.started
    for entry in entries[max(0, end - room) : end]:
        glyph, style = GLYPHS.get(entry.word, ("•", "warn" if entry.word in LOUD else "dim"))
        lines.append(
            [
                (f" {when(entry.utc)} ", "dim"),
                (_since(entry.utc - zero) if width >= 100 else "", "dim"),
                (f"{glyph} ", style),
                (f"{entry.ref:<22} " if entry.ref else "", ""),
                (f"{entry.word:<11} ", style),
                *marked(entry.text, view.search),
                (f"  ({entry.actor})" if entry.actor else "", "dim"),
            ]
        )
    return filled(lines, width, height)


def _since(span: float) -> str:
    return f"T{'-' if span < 0 else '+'}{seconds(abs(span)):>9} "


def _planned_and_spent(state: RunState) -> tuple[float, float]:
    """Forecast and actual seconds of the steps that are done and had a forecast."""
    done = [
        (state.forecast[ref], step.took)
        for service in state.services.values()
        for ref, step in service.steps.items()
        if step.state == "done" and ref in state.forecast
    ]
    return sum(planned for planned, _ in done), sum(took for _, took in done)
