"""Services × steps, for hundreds."""

from __future__ import annotations

from cockpit.engine import rules
from cockpit.state import RunState
from cockpit.ui.glyphs import GLYPHS, WRITERS
from cockpit.ui.pages.common import filled
from cockpit.ui.paint import Line
from cockpit.ui.view import View, focus, shown
from cockpit.ui.world import aged
from cockpit.ui.world.figures import downtime


def fleet_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Services × steps, for hundreds: only what fits is painted."""
    plan, here = state.plan, focus(state, view)
    if plan is None:
        return filled([], width, height)
    ids = shown(state, view)
    room = max(1, height - 2)
    place = ids.index(here) if here in ids else 0
    first = max(0, min(place - room // 2, len(ids) - room))
    done = sum(rules.complete(state, id) for id in ids)
    lines: list[Line] = [
        [(f" {len(ids)} services, {done} done", "title"), ("   wave, writer, steps in order, downtime", "dim")],
        [("─" * width, "frame")],
    ]
    for id in ids[first : first + room]:
        service, seen = plan.service(id), state.services[id]
        word, style = WRITERS[seen.writer]
        old = aged.of_writer(service, seen, now)
        boxes: Line = [GLYPHS[step.state] for step in seen.steps.values()]
        lines.append(
            [
                ("▸" if id == here else " ", "key"),
                (f"{id:<16.16} ", "title" if id == here else ""),
                (f"w{service.wave} ", "dim"),
                (f"{word + '?' if old else word:<6}", "dim" if old else style),
                *boxes,
                ("  ", ""),
                *downtime(service, seen),
            ]
        )
    return filled(lines, width, height)
