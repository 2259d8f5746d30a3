"""What went otherwise than planned, what was lost by agreement, and what still has to be looked after."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from cockpit import events as ev
from cockpit.evidence import switch_off
from cockpit.plan.model import Service
from cockpit.plan.records import applies
from cockpit.report.facts import Attempt, Care, Deviation, Downtime, GateFact, LossFact
from cockpit.report.schedule import out_of_order
from cockpit.report.steps import Steps
from cockpit.state import TICKED, RunState

LATE = 1.5
"""A step that took this many times its forecast, and `LEAST` seconds more, is a deviation."""
LEAST = 1.0

_SETTLED_HOLDS = frozenset({"done", "already"})


def deviations(
    state: RunState,
    steps: Steps,
    attempts: tuple[Attempt, ...],
    gates: tuple[GateFact, ...],
    outages: tuple[Downtime, ...],
    *,
    over: bool,
) -> tuple[Deviation, ...]:
    """Everything that went otherwise than the plan says, in the order in which it happened."""
    found = [*_of_attempts(attempts, _conditional(state)), *_of_gates(gates), *_of_budgets(outages), *_of_steps(steps)]
    if state.plan is not None:
        for service in state.plan.services:
            found += _of_order(service, steps, attempts)
            if over and service.disposition != "drop":
                found += [
                    Deviation(
                        seq=state.seq,
                        ref=step.ref,
                        what="not finished",
                        text=f"the run ended while it was {state.step(step.ref).state}",
                    )
                    for step in service.steps
                    if state.step(step.ref).state not in TICKED
                ]
        found += _of_waves(state, steps, attempts)
    return tuple(sorted(found, key=lambda item: item.seq))


def _conditional(state: RunState) -> frozenset[str]:
    """Steps that the plan itself leaves out for their service: it is no deviation that they were skipped."""
    services = state.plan.services if state.plan is not None else ()
    return frozenset(step.ref for service in services for step in service.steps if not applies(service, step))


def _of_attempts(attempts: tuple[Attempt, ...], conditional: frozenset[str]) -> Iterable[Deviation]:
    for item in attempts:
        why = f": {item.detail}" if item.detail else ""
        if item.state in ev.FAILURES and item.ended:
            exit = f" with exit status {item.exit}" if item.exit else ""
            yield Deviation(seq=item.end_seq, ref=item.ref, what="failed", text=f"it is {item.state}{exit}{why}")
        if item.state == "skipped" and item.ref not in conditional:
            yield Deviation(seq=item.end_seq, ref=item.ref, what="skipped", text=f"skipped by {item.by or '?'}{why}")
        if item.what == "undo":
            yield Deviation(
                seq=item.end_seq, ref=item.ref, what="undone", text=f"taken back by {item.by or '?'}: {item.state}{why}"
            )
        if item.what == "apply" and item.again:
            yield Deviation(seq=item.seq, ref=item.ref, what="run again", text=f"run for time {item.again + 1}")
        if item.what == "verify":
            yield Deviation(seq=item.end_seq, ref=item.ref, what="verified again", text=f"it is {item.state}{why}")
        if item.cut:
            text = "the conductor died while it was under way"
            yield Deviation(seq=item.end_seq, ref=item.ref, what="cut off", text=text)


def _of_gates(gates: tuple[GateFact, ...]) -> Iterable[Deviation]:
    for gate in gates:
        if gate.override:
            against = "without its second person" if gate.alone else "against its evidence"
            text = f"gate {gate.gate} was opened by {gate.by} {against}: {gate.override}"
            yield Deviation(seq=gate.seq, ref="", what="override", text=text)
        elif not gate.opened:
            text = f"gate {gate.gate} was closed: {gate.evidence}"
            yield Deviation(seq=gate.seq, ref="", what="gate closed", text=text)


def _of_budgets(outages: tuple[Downtime, ...]) -> Iterable[Deviation]:
    for item in outages:
        if item.verdict in {"over", "perhaps over"}:
            whose = " ".join(filter(None, (item.service or "the night", item.meter)))
            bounds = f"{item.lower:.2f} to {item.upper:.2f} s of {item.budget:g} s"
            text = f"the downtime of {whose} is {item.verdict} the budget: {bounds}".replace("over the", "over its")
            yield Deviation(seq=item.seq, ref="", what="downtime", text=text)


def _of_steps(steps: Steps) -> Iterable[Deviation]:
    for step in steps.facts.values():
        if step.over > LEAST and step.took > LATE * step.forecast:
            text = f"took {step.took:.1f} s, {step.took / step.forecast:.1f} times its forecast of {step.forecast:g} s"
            yield Deviation(seq=step.seq, ref=step.ref, what="overrun", text=text)


def _of_order(service: Service, steps: Steps, attempts: tuple[Attempt, ...]) -> Iterable[Deviation]:
    own = {ref: utc for ref, utc in steps.began.items() if ref.partition("/")[0] == service.id}
    moved = out_of_order(service, own)
    if not moved:
        return
    first = {item.ref: item.seq for item in reversed(attempts) if item.what == "apply"}
    for ref, other in moved:
        yield Deviation(seq=first[ref], ref=ref, what="out of order", text=f"begun before {other}")


def _of_waves(state: RunState, steps: Steps, attempts: tuple[Attempt, ...]) -> Iterable[Deviation]:
    """A wave that began before the one in front of it had."""
    if state.plan is None:
        return
    began: dict[int, tuple[float, str]] = {}
    for service in state.plan.services:
        for step in service.steps:
            if step.ref in steps.began:
                found = (steps.began[step.ref], step.ref)
                began[service.wave] = min(began.get(service.wave, found), found)
    waves = sorted(began)
    first = {item.ref: item.seq for item in reversed(attempts) if item.what == "apply"}
    for before, after in itertools.pairwise(waves):
        if began[after][0] < began[before][0]:
            ref = began[after][1]
            text = f"wave {after} began before wave {before}"
            yield Deviation(seq=first[ref], ref=ref, what="out of order", text=text)


def losses(
    state: RunState, declared: tuple[tuple[ev.Record, ev.LossDeclared], ...], first: int
) -> tuple[LossFact, ...]:
    """What the plan accepts to lose, and what was declared lost when something was taken back."""
    planned = state.plan.acceptable_losses if state.plan is not None else ()
    accepted = [
        LossFact(seq=first, what=loss.what, reason=loss.reason, by=loss.accepted_by, utc=0.0, writes=0)
        for loss in planned
    ]
    return (
        *accepted,
        *(
            LossFact(
                seq=record.seq,
                what=f"{event.writes} write{'s' * (event.writes != 1)} of {event.service} on new",
                reason="declared lost to take the service back",
                by=record.actor,
                utc=record.utc,
                writes=event.writes,
            )
            for record, event in declared
        ),
    )


def care(state: RunState, steps: Steps, outages: tuple[Downtime, ...]) -> tuple[Care, ...]:
    """The items of hypercare of every service: its steps of that phase, what is still held, who writes, an outage that goes on,
    and the evidence for switching off old, all as they stood at the last event."""
    if state.plan is None:
        return ()
    found: list[Care] = []
    for service in state.plan.services:
        if service.disposition == "drop":
            continue
        for step in service.steps:
            fact = steps.facts[step.ref]
            ticked = fact.state in TICKED
            if step.phase == "hypercare" or (not ticked and step.phase == state.plan.phases[-1]):
                what = fact.detail or step.title or step.id
                found.append(
                    _item(service, fact.seq, "step", f"{step.ref} is {fact.state}: {what}", is_open=not ticked)
                )
            releases = steps.facts.get(step.released_by)
            if step.released_by and fact.state in _SETTLED_HOLDS and releases and releases.state not in TICKED:
                text = f"{step.ref} still holds: {step.released_by} is {releases.state}"
                found.append(_item(service, fact.seq, "hold", text, is_open=True))
        if state.services[service.id].writer == "both":
            found.append(_item(service, state.seq, "writer", "old and new both accept writes", is_open=True))
        found += [
            _item(
                service, state.seq, item.what, item.text if item.ok else item.missing or item.text, is_open=not item.ok
            )
            for item in switch_off(state, service.id, state.utc)
        ]
    for outage in outages:
        if outage.ongoing and outage.service:
            text = f"{outage.service} {outage.meter}".strip() + " is away"
            found.append(Care(seq=outage.seq, service=outage.service, what="downtime", open=True, text=text))
    return tuple(found)


def _item(service: Service, seq: int, what: str, text: str, *, is_open: bool) -> Care:
    return Care(seq=seq, service=service.id, what=what, open=is_open, text=text)
