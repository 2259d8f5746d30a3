"""Who is attached, since when, how large and by what right; who else may come in; who holds, asks and confirms."""

from __future__ import annotations

from cockpit.engine import second
from cockpit.events import Attached, Person
from cockpit.state import RunState
from cockpit.ui.pages.common import filled
from cockpit.ui.paint import Line, seconds, when
from cockpit.ui.view import View

ROLES = {"drives": "headgood", "may drive": "title", "observes": "dim"}


def people_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Every screen with the people in front of it, then the wheel, holds, access, and gates that two people open."""
    lines: list[Line] = [[(" people", "title"), (f"   {len(state.people)} attached", "dim")], [("─" * width, "frame")]]
    for screen in state.people:
        lines.append(_screen(screen, now))
        lines += [_person(person, now) for person in screen.people]
    lines += _wheel(state, now)
    for hold in state.holds:
        lines.append([(" held     ", "bad"), (f"{hold.by}: {hold.reason}", ""), (f"  since {when(hold.utc)}", "dim")])
    lines += _access(state)
    lines += _gates(state, now)
    lines = lines[view.scroll :] if len(lines) > height else lines
    return filled(lines, width, height)


def _screen(screen: Attached, now: float) -> Line:
    size = f"{screen.columns}×{screen.rows}" if screen.columns else "?"
    account = f"{screen.account} (uid {screen.uid}, pid {screen.pid})" if screen.account else f"pid {screen.pid}"
    by = "the door for other accounts" if screen.guest else "the run's own socket"
    return [
        (f" {screen.name:<16} ", "title"),
        (f"{screen.role:<10}", ROLES[screen.role]),
        (f" {size:<9}", ""),
        (f" {_age(screen.since, now):<9}", "dim"),
        (f" {account} by {by}" if screen.screen > 0 else " the headless run's own driver", "dim"),
    ]


def _person(person: Person, now: float) -> Line:
    size = f"{person.columns}×{person.rows}" if person.columns else "?"
    account = f"account {person.account}, pid {person.pid}" if person.account else f"pid {person.pid}"
    return [
        (f"   └ {person.name:<12} ", ""),
        (f"{'reads only' if person.readonly else 'may type':<10}", "dim" if person.readonly else "warn"),
        (f" {size:<9}", ""),
        (f" {_age(person.since, now):<9}", "dim"),
        (f" {account} at this screen, as it says", "dim"),
    ]


def _wheel(state: RunState, now: float) -> list[Line]:
    lines: list[Line] = []
    if state.offer is not None:
        whom = state.offer.name or "anyone who may drive"
        lines.append(
            [(" wheel    ", "warn"), (f"{state.offer.driver} offers it to {whom}", ""), _left(state.offer.until, now)]
        )
    for request in state.requests.values():
        lines.append([(" wheel    ", "warn"), (f"{request.name} asks for it", ""), _left(request.until, now)])
    return lines


def _access(state: RunState) -> list[Line]:
    lines: list[Line] = []
    for name, given in state.access.items():
        what = "watches, holds, confirms" if given.may == "confirm" else "watches, holds"
        lines.append(
            [(" access   ", "dim"), (f"{name}: {what}", ""), (f"  given by {given.by} at {when(given.utc)}", "dim")]
        )
    if state.door:
        lines.append([(" door     ", "dim"), (f"cockpit watch {state.door}", ""), (f"  {state.door_how}", "dim")])
    return lines


def _gates(state: RunState, now: float) -> list[Line]:
    lines: list[Line] = []
    for id, seen in state.gates.items():
        gate = second.gate_of(state, id)
        if gate is None or not gate.second:
            continue
        if seen.alone and seen.open:
            lines.append(
                [
                    (" gate     ", "bad"),
                    (f"{id} was opened by {seen.by} without its second person: {seen.override}", "bad"),
                ]
            )
        elif seen.open:
            lines.append([(" gate     ", "good"), (f"{id} was opened by {seen.by}, confirmed by {seen.second}", "")])
        elif seen.asked is not None:
            lines.append(
                [(" gate     ", "warn"), (f"{id} waits for its second person", ""), _left(seen.asked.until, now)]
            )
            lines += [[("          ", ""), (line, "dim")] for line in second.put(state, gate)]
        else:
            who = " or ".join(gate.second_by) or "a second person"
            lines.append(
                [(" gate     ", "dim"), (f"{id} is closed; {who} confirms it", ""), (f"  {seen.reason}", "dim")]
            )
    return lines


def attention(state: RunState, drives: bool, can_drive: bool, screen: int, guest: bool, now: float) -> list[Line]:
    """What people ask of each other now, a line each, with the key that answers: for every page."""
    lines: list[Line] = []
    for hold in state.holds:
        key = "H releases" if drives else "the driver releases"
        lines.append([(" HELD ", "headbad"), (f" {hold.by}: {hold.reason}", "bad"), (f"  {key}", "key")])
    if state.offer is not None:
        mine = can_drive and not drives and state.offer.to in {0, screen}
        whom = "you" if mine and state.offer.to else state.offer.name or "anyone who may drive"
        key = "O takes it" if mine else ("O takes it back" if drives else "")
        lines.append(
            [
                (f" ? {state.offer.driver} offers the wheel to {whom}", "warn"),
                _left(state.offer.until, now),
                (f"  {key}", "key"),
            ]
        )
    for request in state.requests.values():
        key = "R answers" if drives else ""
        lines.append(
            [(f" ? {request.name} asks for the wheel", "warn"), _left(request.until, now), (f"  {key}", "key")]
        )
    for id, seen in state.gates.items():
        if seen.asked is not None:
            key = "C shows it" if guest else ("g: take back, or go without" if drives else "")
            lines.append(
                [
                    (f" ? gate {id} waits for its second person", "warn"),
                    _left(seen.asked.until, now),
                    (f"  {key}", "key"),
                ]
            )
    return lines


def meanwhile(told: list[Line]) -> list[Line]:
    """What people ask of each other now, for a screen that shows the past of the run: whatever it is, one must go back to it."""
    return [[(" now ", "headwarn"), *line, ("  $ goes there", "key")] for line in told]


def _left(until: float, now: float) -> tuple[str, str]:
    return (f"  {max(0, round(until - now))} s left", "dim")


def _age(since: float, now: float) -> str:
    return seconds(max(0.0, now - since)) if since else "?"
