"""All that the page of the world's view lists for a service, in its order."""

from __future__ import annotations

from cockpit.evidence import Item
from cockpit.plan.model import Plan
from cockpit.state import RunState
from cockpit.ui.view import View
from cockpit.ui.world.asked import probes, writer
from cockpit.ui.world.compared import comparison
from cockpit.ui.world.entry import Entry
from cockpit.ui.world.flow import meters, traffic
from cockpit.ui.world.mail import mail
from cockpit.ui.world.off import evidence

ASIDE = 110
"""Columns from which the entry in focus stands beside the list."""


def entries(state: RunState, plan: Plan, id: str, now: float, items: tuple[Item, ...]) -> list[Entry]:
    """An entry for each thing that is watched; `items` are the evidence for switching off old."""
    service, view = plan.service(id), state.services[id]
    return [
        *evidence(items, now),
        *writer(service, view, now),
        *probes(service, view, now),
        *comparison(view),
        *mail(plan, service, view, now),
        *traffic(service, view, now),
        *meters(state, service, view),
    ]


def focus_entry(found: list[Entry], view: View) -> int:
    """Which of the entries is in focus: the chosen one, else the first."""
    return next((index for index, entry in enumerate(found) if entry.key == view.item), 0)


def beside_list(width: int) -> int:
    """Columns of the entry in focus: beside the list where there are enough, else the whole width below it."""
    return width - width * 9 // 20 - 1 if width >= ASIDE else width
