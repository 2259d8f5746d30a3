"""What a person chose to look at. Belongs to the screen alone; the run knows nothing of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.state import RunState, ServiceView

Page = Literal[
    "board", "service", "world", "fleet", "dns", "timeline", "notes", "logs", "tails", "help", "around", "versus"
]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Page, focus, filter and scroll."""

    page: Page = "board"
    service: str = ""
    step: str = ""
    record: str = ""
    """The record set in focus on the DNS page, `name type`."""
    item: str = ""
    """What is in focus on the page of the world's view."""
    filter: str = ""
    scroll: int = 0
    """Lines back from the end on the timeline, notes and log pages; lines down from the top on the others."""
    log: int = 0
    after: bool = True
    """Whether it is the moment after the step that is chosen on the page of before and after."""
    frozen: int = -1
    """Number of the log line at the bottom of a paused log; -1 follows."""
    search: str = ""
    merged: bool = False
    """Whether the logs page shows old and new as one, by time."""


def shown(state: RunState, view: View) -> tuple[str, ...]:
    """Ids of the services that the filter lets through, in the plan's order. It matches id, title and tags."""
    if state.plan is None:
        return ()
    words = view.filter.lower().split()
    return tuple(
        service.id
        for service in state.plan.services
        if all(word in " ".join((service.id, service.title, *service.tags)).lower() for word in words)
    )


def focus(state: RunState, view: View) -> str:
    """The service in focus: the chosen one, else the first that is shown."""
    ids = shown(state, view)
    return view.service if view.service in ids else (ids[0] if ids else "")


def focus_step(state: RunState, view: View) -> str:
    """The step in focus on the service page: the chosen one, else the one that the next key would start, else the last."""
    from cockpit.engine.rules import next_ref

    service = focus(state, view)
    if not service:
        return ""
    steps = state.services[service].steps
    if view.step in steps:
        return view.step
    busy = next(
        (ref for ref, step in steps.items() if step.state in {"running", "verifying", "undoing", "waiting"}), ""
    )
    return busy or next_ref(state, service) or (next(reversed(steps)) if steps else "")


def record_keys(view: ServiceView) -> list[str]:
    """The record sets that a service's vantages were asked for, `name type`, in the order of their first answers. What the
    parent says is shown with each of them, so that it is one of its own only while there is no other."""
    asked = {f"{seen.name} {seen.type}": False for seen in view.dns.values()}
    for seen in view.dns.values():
        asked[f"{seen.name} {seen.type}"] |= seen.role != "parent"
    return [key for key, own in asked.items() if own] or list(asked)


def focus_record(state: RunState, view: View) -> str:
    """The record set in focus on the DNS page: the chosen one, else the service's first; '' while there is none."""
    service = focus(state, view)
    keys = record_keys(state.services[service]) if service else []
    return view.record if view.record in keys else (keys[0] if keys else "")
