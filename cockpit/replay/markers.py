"""What one may want to go to in a recording, from its moments and its plan: markers, phases, outages, lives of steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from cockpit.plan.model import Plan
from cockpit.replay.timeline import Moment
from cockpit.state import BUSY

MarkerKind = Literal[
    "phase",
    "return",
    "gate",
    "note",
    "away",
    "back",
    "budget",
    "wheel",
    "trouble",
    "unknown",
    "damage",
    "end",
    "step",
    "failure",
]
"""Those of moments, and `phase`: a service enters a phase; `return`: a point of no return is passed."""

ALWAYS: frozenset[str] = frozenset(
    {"gate", "note", "away", "back", "budget", "wheel", "trouble", "unknown", "damage", "end"}
)
"""Kinds of moments that are markers as they are."""


class Marker(msgspec.Struct, frozen=True):
    """A place of the recording (an event, from 0) with a word for what is there."""

    index: int
    kind: MarkerKind
    text: str


class Passage(msgspec.Struct, frozen=True):
    """One life of a step: from the event `first` with which it left its rest to the event `last` with which it came to rest again
    as `state`; `last` is -1 while it has not. The places count from 0."""

    ref: str
    first: int
    last: int
    state: str


class Traits(msgspec.Struct, frozen=True):
    """What the plan says of each step, by ref, so that it is looked up once."""

    phases: dict[str, str]
    no_return: frozenset[str]

    @classmethod
    def of(cls, plan: Plan | None) -> Traits:
        """From a plan; empty without one."""
        steps = [step for service in plan.services for step in service.steps] if plan is not None else []
        return cls(
            {step.ref: step.phase for step in steps},
            frozenset(step.ref for step in steps if step.point_of_no_return != "none"),
        )


def markers(moments: Iterable[Moment], traits: Traits) -> tuple[Marker, ...]:
    """The markers in order: gates, notes, phases that a service enters, outages, the wheel, points of no return, damage."""
    found: list[Marker] = []
    inside: dict[str, str] = {}
    for moment in moments:
        if moment.kind in ALWAYS:
            found.append(Marker(moment.index, moment.kind, said(moment)))
            continue
        service = moment.ref.partition("/")[0]
        phase = traits.phases.get(moment.ref, "")
        if phase and moment.text == "running" and inside.get(service) != phase:
            inside[service] = phase
            found.append(Marker(moment.index, "phase", f"{service}: {phase}"))
        if moment.text == "done" and moment.ref in traits.no_return:
            found.append(Marker(moment.index, "return", f"{moment.ref}: point of no return"))
    return tuple(found)


def said(moment: Moment) -> str:
    """A moment in words."""
    word = {"away": "away: ", "back": "back: ", "note": "note: "}.get(moment.kind, "")
    return f"{moment.ref} {word}{moment.text}".strip()


def bands(moments: Iterable[Moment], traits: Traits) -> tuple[tuple[int, str], ...]:
    """(event, phase): from there on the step that was begun last is of that phase."""
    found: list[tuple[int, str]] = []
    for moment in moments:
        phase = traits.phases.get(moment.ref, "") if moment.text == "running" else ""
        if phase and (not found or found[-1][1] != phase):
            found.append((moment.index, phase))
    return tuple(found)


def outages(moments: Iterable[Moment]) -> tuple[tuple[int, int], ...]:
    """(first event, last event) of each time for which any meter of downtime ran; the last is -1 for one that still does."""
    found: list[tuple[int, int]] = []
    running = 0
    for moment in moments:
        if moment.kind == "away":
            if not running:
                found.append((moment.index, -1))
            running += 1
        elif moment.kind == "back" and running:
            running -= 1
            if not running:
                found[-1] = (found[-1][0], moment.index)
    return tuple(found)


def passages(moments: Iterable[Moment], ref: str) -> tuple[Passage, ...]:
    """The lives of a step in order: each attempt, each undo, each further verification, each skip."""
    found: list[Passage] = []
    first = -1
    for moment in moments:
        if moment.ref != ref or moment.kind not in {"step", "failure"}:
            continue
        begins = first < 0
        first = moment.index if begins else first
        if moment.text not in BUSY:
            found.append(Passage(ref, first, moment.index, moment.text))
            first = -1
    if first >= 0:
        found.append(Passage(ref, first, -1, ""))
    return tuple(found)


def passage_at(found: tuple[Passage, ...], place: int) -> Passage | None:
    """The life that goes on, or went on last, when `place` events are shown; the first one before any has begun."""
    begun = [passage for passage in found if passage.first < place]
    return begun[-1] if begun else (found[0] if found else None)
