"""Planned against actual: when each step would have run by its forecast, and which chain of steps determined the end.

What holds a step up is the same in both: the steps that it needs, those that a gate before it waits for, and the step of its own
service that is at work, since a service runs one step at a time."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from cockpit.plan.model import Plan, Service, Step
from cockpit.plan.records import applies

SLACK = 0.05
"""Seconds by which a step may begin before the one that it waited for was told to have ended."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Schedule:
    """Planned seconds (start, end) of each step from the start of the first, and the chain that ends last."""

    spans: dict[str, Span] = field(default_factory=dict)
    critical: tuple[str, ...] = ()


def planned(plan: Plan, forecast: Mapping[str, float]) -> Schedule:
    """The schedule that the forecasts give, when nobody lingers at a gate. A step whose condition does not hold takes no time;
    one in a circle of needs (no plan that was checked has any) begins at once."""
    waits, followers, steps = _graph(plan)
    ready: dict[str, float] = dict.fromkeys(waits, 0.0)
    cause: dict[str, str] = {}
    order = {name: number for number, name in enumerate(waits)}
    free: dict[str, tuple[float, str]] = {}
    queue = [(0.0, order[name], name) for name, count in waits.items() if not count]
    heapq.heapify(queue)
    spans: dict[str, Span] = {}
    ends: dict[str, float] = {}
    while queue or len(ends) < len(waits):
        if not queue:
            stuck = next(name for name in waits if name not in ends)
            queue.append((0.0, order[stuck], stuck))
        start, _, name = heapq.heappop(queue)
        if name in ends:
            continue
        step = steps.get(name)
        end = start
        if step is not None:
            busy, by = free.get(step.service, (0.0, ""))
            if busy > start:
                start, cause[name] = busy, by
            service = plan.service(step.service) if step.when is not None else None
            runs = service is None or applies(service, step)
            end = start + (max(0.0, forecast.get(name, step.estimate)) if runs else 0.0)
            spans[name] = (start, end)
            free[step.service] = (end, name)
        ends[name] = end
        for follower in followers.get(name, ()):
            if end > ready[follower] or (end == ready[follower] and follower not in cause):
                ready[follower], cause[follower] = end, name
            waits[follower] -= 1
            if waits[follower] == 0:
                heapq.heappush(queue, (ready[follower], order[follower], follower))
    last = max(spans, key=lambda name: (spans[name][1], order[name]), default="")
    return Schedule(spans=spans, critical=tuple(name for name in _chain(cause, last) if name in spans))


def critical(plan: Plan, ran: Mapping[str, Span]) -> tuple[str, ...]:
    """The chain of steps that determined when the last one ended: before each stands, of all that it waited for, the one that
    ended last. `ran` is when each step that ran began and ended."""
    needs = {step.ref: [need.step for need in step.needs] for service in plan.services for step in service.steps}
    gates: dict[str, list[tuple[str, ...]]] = {}
    for gate in plan.gates:
        for ref in gate.before:
            gates.setdefault(ref, []).append(gate.after)
    by_service: dict[str, list[tuple[float, str]]] = {}
    for ref, (_, end) in ran.items():
        by_service.setdefault(ref.partition("/")[0], []).append((end, ref))
    for ended in by_service.values():
        ended.sort()
    at = max(ran, key=lambda ref: ran[ref][1], default="")
    chain: list[str] = []
    while at and at not in chain:
        chain.append(at)
        start = ran[at][0] + SLACK
        before = [*needs.get(at, ()), *(ref for after in gates.get(at, ()) for ref in after)]
        own = by_service[at.partition("/")[0]]
        place = bisect.bisect_right(own, (start, "\uffff"))
        before += [ref for _, ref in own[max(0, place - 2) : place]]
        found = [(ran[ref][1], ref) for ref in before if ref != at and ref in ran and ran[ref][1] <= start]
        at = max(found)[1] if found else ""
    return tuple(reversed(chain))


def out_of_order(service: Service, began: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    """(step, the step that it overtook) for the fewest steps that would have to move for the service to have gone in the plan's
    order. `began` is when each step first began."""
    refs = sorted((step.ref for step in service.steps if step.ref in began), key=lambda ref: began[ref])
    place = {step.ref: number for number, step in enumerate(service.steps)}
    kept = _longest([place[ref] for ref in refs])
    moved: list[tuple[str, str]] = []
    for number, ref in enumerate(refs):
        if place[ref] in kept:
            continue
        later = [other for other in refs[number + 1 :] if place[other] < place[ref]]
        earlier = [other for other in refs[:number] if place[other] > place[ref]]
        moved.append((ref, later[0]) if later else (earlier[0], ref))
    return tuple(moved)


def _longest(numbers: list[int]) -> frozenset[int]:
    """The longest rising part of distinct numbers."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        place = bisect.bisect_left(tails, number)
        before[number] = tails[place - 1] if place else None
        tails[place : place + 1] = [number]
    kept: set[int] = set()
    at = tails[-1] if tails else None
    while at is not None:
        kept.add(at)
        at = before[at]
    return frozenset(kept)


def _graph(plan: Plan) -> tuple[dict[str, int], dict[str, list[str]], dict[str, Step]]:
    """How many things each node waits for, what follows each, and the steps. A gate is a node between its steps."""
    steps = {step.ref: step for service in plan.services if service.disposition != "drop" for step in service.steps}
    waits = dict.fromkeys(steps, 0)
    followers: dict[str, list[str]] = {}

    def edge(before: str, after: str) -> None:
        if before in waits and after in waits:
            waits[after] += 1
            followers.setdefault(before, []).append(after)

    for step in steps.values():
        for need in step.needs:
            edge(need.step, step.ref)
    for gate in plan.gates:
        node = f"gate {gate.id}"
        waits[node] = 0
        for ref in gate.after:
            edge(ref, node)
        for ref in gate.before:
            edge(node, ref)
    return waits, followers, steps


def _chain(cause: Mapping[str, str], last: str) -> tuple[str, ...]:
    chain: list[str] = []
    while last and last not in chain:
        chain.append(last)
        last = cause.get(last, "")
    return tuple(reversed(chain))
