"""Which services stand in one list of a runbook, and in what order the steps of those that go together can run. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import msgspec

from cockpit.plan.model import Gate, Plan, Service, Step


class Group(msgspec.Struct, frozen=True):
    """Services of one list. `linked`: they need each other's steps; else they take the same steps, one after the other."""

    services: tuple[Service, ...]
    linked: bool = False

    @property
    def waves(self) -> tuple[int, ...]:
        """Its waves, each once, in order."""
        return tuple(sorted({service.wave for service in self.services}))


def groups(plan: Plan, services: list[Service]) -> list[Group]:
    """All services that have steps, by wave and place. Those of a wave that take the same steps are one group; so are those of
    waves that follow each other, if nothing else is in them and no gate waits for the one before the other."""
    found: dict[object, Group] = {}
    for several in _together([service for service in services if service.steps]):
        first = several[0]
        # A step that a condition leaves out of one service is in the list of the others all the same.
        key = first.id if len(several) > 1 else (first.wave, first.disposition, _shape(first))
        same = found[key].services if key in found else ()
        found[key] = Group((*same, *several), linked=len(several) > 1)
    return _joined(plan, list(found.values()))


def in_order(plan: Plan, group: Group) -> Iterator[Step]:
    """All steps of a group in an order in which they can run: each after what it needs and what its gates wait for; of those
    that could run, by phase, wave and place. Steps that wait for each other are left out."""
    steps = {step.ref: step for service in group.services for step in service.steps}
    wave = {service.id: service.wave for service in group.services}
    phase = {name: number for number, name in enumerate(plan.phases)}
    rank = {
        ref: (phase.get(step.phase, len(phase)), wave[step.service], number)
        for number, (ref, step) in enumerate(steps.items())
    }
    before = {ref: {need.step for need in step.needs} & steps.keys() for ref, step in steps.items()}
    for gate in plan.gates:
        for ref in before.keys() & set(gate.before):
            before[ref] |= steps.keys() & set(gate.after)
    after: dict[str, list[str]] = {}
    for ref, needed in before.items():
        for other in needed:
            after.setdefault(other, []).append(ref)
    ready = [(rank[ref], ref) for ref, needed in before.items() if not needed]
    heapq.heapify(ready)
    while ready:
        _, ref = heapq.heappop(ready)
        yield steps[ref]
        for follower in after.get(ref, ()):
            before[follower].discard(ref)
            if not before[follower]:
                heapq.heappush(ready, (rank[follower], follower))


def _together(services: list[Service]) -> list[list[Service]]:
    """Services of which one needs a step of another, directly or through a third, in one list each. By wave and place."""
    ordered = sorted(services, key=lambda one: one.wave)
    at = {service.id: number for number, service in enumerate(ordered)}
    above = list(range(len(ordered)))

    def head(place: int) -> int:
        while above[place] != place:
            place = above[place]
        return place

    for service in ordered:
        for step in service.steps:
            for need in step.needs:
                other = at.get(need.step.partition("/")[0])
                if other is not None:
                    first, last = sorted((head(at[service.id]), head(other)))
                    above[last] = first
    found: dict[int, list[Service]] = {}
    for place, service in enumerate(ordered):
        found.setdefault(head(place), []).append(service)
    return list(found.values())


def _joined(plan: Plan, found: list[Group]) -> list[Group]:
    joined: list[Group] = []
    for group in found:
        alone = sum(bool(set(group.waves) & set(other.waves)) for other in found) == 1
        last = joined[-1] if joined else None
        if (
            last is not None
            and alone
            and not (group.linked or last.linked)
            and _shape(last.services[0]) == _shape(group.services[0])
            and not any(_parts(gate, last, group) for gate in plan.gates)
        ):
            joined[-1] = Group((*last.services, *group.services))
        else:
            joined.append(group)
    return joined


def _shape(service: Service) -> tuple[tuple[str, str, str], ...]:
    return tuple((step.id, step.phase, step.kind) for step in service.steps)


def _parts(gate: Gate, first: Group, then: Group) -> bool:
    """Whether a gate waits for steps of the first before it lets the other begin."""
    waits = any(step.ref in gate.after for service in first.services for step in service.steps)
    return waits and any(step.ref in gate.before for service in then.services for step in service.steps)
