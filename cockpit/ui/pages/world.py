"""The world's view of one service: what is missing before old is switched off, the writer, probes, the comparison of old and
new, mail, traffic, downtime."""

from __future__ import annotations

from cockpit.evidence import Item, switch_off
from cockpit.plan.model import Plan
from cockpit.state import RunState
from cockpit.ui.pages.common import filled
from cockpit.ui.paint import Line, beside, fit
from cockpit.ui.view import View, focus
from cockpit.ui.world import aged
from cockpit.ui.world.entry import Entry
from cockpit.ui.world.figures import dns, downtime, first_fitting, health
from cockpit.ui.world.listed import beside_list, entries, focus_entry
from cockpit.ui.world.off import summary


def world_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """The list, and the entry in focus in full; ↑ ↓ walk the list, j k scroll the entry."""
    plan, id = state.plan, focus(state, view)
    if plan is None or not id:
        return filled([[("no service", "dim")]], width, height)
    items = switch_off(state, id, now)
    found = entries(state, plan, id, now, items)
    here = focus_entry(found, view)
    top = _top(state, plan, id, items, width, now)
    room = max(1, height - len(top))
    right = beside_list(width)
    if right < width:
        left = width - right - 1
        blocks = [
            (_list(found, here, left, room), left),
            ([[("│", "frame")]] * room, 1),
            (_detail(found, here, view, right, room), right),
        ]
        return filled(top + beside(blocks, room), width, height)
    tall = max(3, min(len(found) + len({entry.section for entry in found}), room // 2))
    lines = _list(found, here, width, tall)
    lines += [[("─" * width, "frame")], *_detail(found, here, view, width, max(1, room - tall - 1))]
    return filled(top + lines, width, height)


def _top(state: RunState, plan: Plan, id: str, items: tuple[Item, ...], width: int, now: float) -> list[Line]:
    service, seen = plan.service(id), state.services[id]
    line: Line = [(" ", ""), *health(service, seen, width // 2, now), ("   ", ""), *dns(plan, seen, now, width // 2)]
    return [
        [
            (f" {service.title or id}", "title"),
            ("   writer ", "dim"),
            *aged.writer(service, seen, now),
            ("   ", ""),
            summary(items, now),
        ],
        first_fitting(([*line, ("   ", ""), *downtime(service, seen, 30)], line), width),
        [("─" * width, "frame")],
    ]


def _list(found: list[Entry], here: int, width: int, room: int) -> list[Line]:
    """Entries under the names of their sections, the one in focus in sight."""
    lines: list[tuple[str, int]] = []
    for index, entry in enumerate(found):
        if not index or found[index - 1].section != entry.section:
            lines.append((entry.section, -1))
        lines.append(("", index))
    place = next(number for number, (_, index) in enumerate(lines) if index == here)
    first = max(0, min(place - room // 2, len(lines) - room))
    painted: list[Line] = []
    for section, index in lines[first : first + room]:
        if index < 0:
            head = f" {section} "
            painted.append(fit([(head, "title"), ("─" * (width - len(head) - 1), "frame")], width))
        else:
            mark = "▸" if index == here else " "
            painted.append(fit([(f"{mark} ", "key"), *found[index].line], width))
    return painted


def _detail(found: list[Entry], here: int, view: View, width: int, room: int) -> list[Line]:
    """The entry in focus, from the line on that was scrolled to; what is below is counted."""
    lines = found[here].detail(width)
    first = max(0, min(view.scroll, len(lines) - room))
    shown = lines[first : first + room]
    below = len(lines) - first - room
    if below > 0:
        shown[-1] = [(f" … {below + 1} lines more: j k", "key")]
    return shown
