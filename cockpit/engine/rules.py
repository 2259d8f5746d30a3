"""What may run and why not: pure functions of the state, shared by the engine and by every screen that dims a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from cockpit.events import FAILURES
from cockpit.evidence import names, serving, switch_off, verdict
from cockpit.evidence.items import allowed, stale
from cockpit.plan.model import Evidence, Gate, Plan, Service, Step
from cockpit.plan.people import Notice
from cockpit.plan.records import applies, declared
from cockpit.rate import LEAST
from cockpit.state import BUSY, SETTLED, TICKED, RunState, ServiceView, StepView

TAKEN_BACK: frozenset[str] = frozenset({"done", "unverified", "drifted", "undo_failed", "failed"})
STOPS_ADVANCE: frozenset[str] = FAILURES


class Readiness(msgspec.Struct, frozen=True):
    """`ok`, or the reason as a sentence. `waits` tells a reason that passes by itself from one that needs a person."""

    ok: bool
    reason: str = ""
    waits: bool = False


class Rollback(msgspec.Struct, frozen=True, kw_only=True):
    """How good going back still is. `losses` is what it loses, -1 when that was never measured."""

    quality: Literal["lossless", "loses", "impossible"]
    text: str
    losses: int = 0


READY = Readiness(True)


def readiness(state: RunState, ref: str, now: float = 0.0) -> Readiness:
    """Whether the step may start at `now` (UTC; by default the time of the last event); otherwise the first reason against it."""
    now = now or state.utc
    plan = state.plan
    if plan is None:
        return Readiness(False, "the plan has not arrived yet", waits=True)
    planned, view = state.planned(ref), state.step(ref)
    service, seen = plan.service(planned.service), state.services[planned.service]
    return (
        _of_itself(view, planned)
        or _of_the_run(state)
        or _of_the_service(service, seen, view)
        or _of_its_needs(state, planned)
        or _of_its_gates(state, plan, ref, now)
        or _of_writers(seen, planned)
        or (None if isinstance(planned.action, Notice) else _of_the_window(service, planned, now))
        or _of_its_schedule(planned, now)
        or _of_its_host(state, planned)
        or READY
    )


def _of_itself(view: StepView, planned: Step) -> Readiness | None:
    if planned.kind == "draft":
        return Readiness(False, "it is a draft: the plan does not say yet what to run")
    if view.state in BUSY:
        return Readiness(False, f"it is {view.state}", waits=True)
    if view.state in TICKED:
        return Readiness(False, f"it is {view.state}; verify it or undo it")
    if view.state == "unknown" and view.intended is not None:
        return Readiness(False, "its outcome is not known: verify it, or say what you found")
    if view.state in {"unverified", "drifted", "undo_failed"} and not planned.idempotent:
        return Readiness(False, f"it is {view.state} and must not run twice: verify it or undo it")
    return None


def _of_the_run(state: RunState) -> Readiness | None:
    if state.ended:
        return Readiness(False, "the run has ended")
    if state.panicked:
        return Readiness(False, "panic: nothing is touched until you continue")
    if state.paused:
        return Readiness(False, "the run is paused", waits=True)
    if state.holds:
        return Readiness(False, held(state), waits=True)
    if not state.driver:
        return Readiness(False, "nobody holds the wheel", waits=True)
    return None


def held(state: RunState) -> str:
    """Who holds the run and why, as a sentence; '' when nobody does."""
    if not state.holds:
        return ""
    more = f" (and {len(state.holds) - 1} more hold)" if len(state.holds) > 1 else ""
    return f"{state.holds[0].by} holds: {state.holds[0].reason}{more}"


def _of_the_service(service: Service, seen: ServiceView, view: StepView) -> Readiness | None:
    if service.disposition == "drop":
        return Readiness(False, "the service is dropped, not moved")
    for other in seen.steps.values():
        if other.ref != view.ref and other.state in BUSY:
            return Readiness(False, f"{other.ref} is {other.state}", waits=True)
    return None


def _of_its_needs(state: RunState, planned: Step) -> Readiness | None:
    for need in planned.needs:
        view = state.step(need.step)
        if view.state not in TICKED:
            why = f": {need.reason}" if need.reason else ""
            return Readiness(False, f"it needs {need.step}, which is {view.state}{why}", waits=view.state in BUSY)
    return None


def _of_its_gates(state: RunState, plan: Plan, ref: str, now: float) -> Readiness | None:
    for gate in gates_before(plan, ref):
        if state.gates[gate.id].open:
            continue
        if gate.kind == "evidence":
            found = gate_readiness(state, gate.id, now)
            if not found.ok:
                return Readiness(False, f"gate {gate.id} is closed: {found.reason}", waits=True)
        else:
            return Readiness(False, f"gate {gate.id} is closed: {gate.question or 'somebody has to open it'}")
    return None


def _of_writers(seen: ServiceView, planned: Step) -> Readiness | None:
    if not planned.opens:
        return None
    other = "old" if planned.opens == "new" else "new"
    if other in seen.may_write and planned.closes != other:
        return Readiness(False, f"it would make two writers: {other} still accepts writes")
    if seen.writer == "both":
        return Readiness(False, "the writer probe sees two writers")
    return None


def _of_the_window(service: Service, planned: Step, now: float) -> Readiness | None:
    window = service.window
    if window is None or (window.phases and planned.phase not in window.phases):
        return None
    if window.start and now < moment(window.start):
        return Readiness(False, f"its window opens at {window.start}", waits=True)
    if window.end and now > moment(window.end):
        return Readiness(False, f"its window closed at {window.end}")
    return None


def _of_its_schedule(planned: Step, now: float) -> Readiness | None:
    action = planned.action
    if isinstance(action, Notice) and now < action.at:
        return Readiness(
            False, f"it is sent at {datetime.fromtimestamp(action.at, UTC):%Y-%m-%d %H:%M} UTC", waits=True
        )
    return None


def _of_its_host(state: RunState, planned: Step) -> Readiness | None:
    host = state.hosts.get(planned.host)
    if host is not None and host.link == "down":
        return Readiness(False, f"the link to {planned.host} is down: {host.detail}", waits=True)
    return None


def moment(text: str) -> float:
    """Seconds UTC of an ISO 8601 time with offset. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def gates_before(plan: Plan, ref: str) -> tuple[Gate, ...]:
    """The gates that stand before a step, in the plan's order."""
    return tuple(gate for gate in plan.gates if ref in gate.before)


def next_gate(state: RunState) -> Gate | None:
    """The first gate that still holds something back: closed, and a step behind it is not ticked."""
    plan = state.plan
    for gate in plan.gates if plan is not None else ():
        if state.gates[gate.id].open or all(state.step(ref).state in TICKED for ref in gate.before):
            continue
        if gate.kind == "human" or not gate_readiness(state, gate.id, state.utc).ok:
            return gate
    return None


def gate_readiness(state: RunState, gate_id: str, now: float) -> Readiness:
    """Whether a gate may open now: the steps before it are settled, its evidence holds and is fresh."""
    plan = state.plan
    gate = plan.gate(gate_id) if plan is not None else None
    if gate is None:
        return Readiness(False, f"the plan has no gate {gate_id}")
    for ref in gate.after:
        view = state.step(ref)
        if view.state not in SETTLED:
            return Readiness(False, f"{ref} is {view.state}", waits=view.state in BUSY)
    for evidence in gate.evidence:
        missing = missing_evidence(state, evidence, now, gate.fresh)
        if missing:
            return Readiness(False, missing, waits=True)
    return READY


def missing_evidence(state: RunState, evidence: Evidence, now: float, fresh: float) -> str:
    """Why a piece of evidence does not hold now, or '' when it does. What is older than `fresh` seconds is no evidence."""
    seen = state.services.get(evidence.service)
    if seen is None:
        return f"there is no service {evidence.service}"
    if state.plan is None:
        return "the plan has not arrived yet"
    planned = state.plan.service(evidence.service)
    match evidence.kind:
        case "writer":
            if seen.writer != evidence.want:
                return f"{evidence.service}: the writer is {seen.writer}, not {evidence.want}"
            every = planned.writer.every if planned.writer is not None else 0.0
            return stale(f"{evidence.service}: the writer probe", seen.writer_utc, now, allowed(fresh, every))
        case "health":
            why = serving.health_missing(planned, seen, evidence.want, now, fresh)
            return f"{evidence.service}: {why}" if why else ""
        case "dns":
            dns = state.plan.dns
            unheard = names.silent_authorities(declared(planned), dns, seen)
            answers = names.published(seen)
            answers += [view for view in seen.dns.values() if view.role == "parent" and view.type == "NS"]
            if not answers:
                return f"{evidence.service}: no authority has answered"
            for answer in answers:
                fits = answer.role == "parent" and answer.state == "new"
                if answer.state != evidence.want and not fits:
                    return f"{evidence.service}: {answer.vantage} serves {answer.state}"
                if evidence.want == "new" and answer.stage != answer.stages:
                    return f"{evidence.service}: {answer.name} {answer.type} is at change {answer.stage} of {answer.stages}"
                limit = allowed(fresh, dns.every if dns is not None else 0.0)
                if why := stale(f"{evidence.service}: the answer of {answer.vantage}", answer.utc, now, limit):
                    return why
            if unheard:
                return f"{evidence.service}: {unheard[0]}"
        case "caches" | "compare" | "off":
            why = _of_the_world(state, evidence, seen, now, fresh)
            return f"{evidence.service}: {why}" if why else ""
    return ""


def _of_the_world(state: RunState, evidence: Evidence, seen: ServiceView, now: float, fresh: float) -> str:
    """What is missing of evidence that is a sum of others."""
    if state.plan is None:
        return "the plan has not arrived yet"
    planned = state.plan.service(evidence.service)
    match evidence.kind:
        case "caches":
            return names.caches_missing(planned, state.plan.dns, seen, now, fresh)
        case "compare":
            return serving.compare_missing(planned, seen, now, fresh)
        case _:
            found = verdict(switch_off(state, evidence.service, now, fresh))
            return "" if found.safe else found.text


def next_ref(state: RunState, service: str) -> str | None:
    """The step that a key would start: the first that is ready, else the first that is not ticked; None when all are."""
    seen = state.services.get(service)
    if seen is None or state.plan is None:
        return None
    first: str | None = None
    for ref, view in seen.steps.items():
        if view.state in TICKED:
            continue
        first = first or ref
        if readiness(state, ref).ok:
            return ref
    return first


def complete(state: RunState, service: str) -> bool:
    """Every step ticked."""
    return all(view.state in TICKED for view in state.services[service].steps.values())


def waits_for_time(view: StepView) -> bool:
    """Whether a step was verified so far and only time can end its wait: other work on its service may break that off."""
    return view.state == "waiting" and view.op == "verify" and view.until > 0


def _took_effect(seen: ServiceView) -> tuple[str, ...]:
    """What took effect, in that order, with the step whose wait an undo would break off."""
    waiting = (ref for ref, view in seen.steps.items() if waits_for_time(view) and ref not in seen.history)
    return (*seen.history, *waiting)


def undo_target(state: RunState, service: str) -> str | None:
    """The step that an undo would take back: the last that took effect; None when there is none."""
    seen = state.services.get(service)
    took_effect = _took_effect(seen) if seen is not None else ()
    return took_effect[-1] if took_effect else None


def undo_readiness(state: RunState, service: str, allow_loss: bool = False) -> Readiness:
    """Whether the last step of a service may be taken back now. Undo never needs an open gate."""
    ref = undo_target(state, service)
    if ref is None:
        return Readiness(False, f"{service} has nothing to undo")
    if state.ended:
        return Readiness(False, "the run has ended")
    if not state.driver:
        return Readiness(False, "nobody holds the wheel")
    if state.panicked:
        return Readiness(False, "panic: nothing is touched until you continue")
    if state.holds:
        return Readiness(False, held(state), waits=True)
    seen, planned, view = state.services[service], state.planned(ref), state.step(ref)
    for other in seen.steps.values():
        if other.state in BUSY and not waits_for_time(other):
            return Readiness(False, f"{other.ref} is {other.state}", waits=True)
    if view.state == "unknown":
        return Readiness(False, f"the outcome of {ref} is not known: verify it, or say what you found")
    if planned.point_of_no_return == "hard":
        return Readiness(False, f"{ref} is a hard point of no return: the old state is gone")
    if not planned.undoable and planned.destructive:
        return Readiness(False, f"{ref} cannot be undone")
    other_side = {"old": "new", "new": "old"}.get(planned.closes, "")
    if other_side and other_side in seen.may_write and planned.opens != other_side:
        return Readiness(False, f"undoing {ref} would make two writers: {other_side} still accepts writes")
    dependent = next(
        (
            other
            for other, its_view in _all_steps(state)
            if its_view.state in TAKEN_BACK | BUSY | {"unknown"} and any(need.step == ref for need in other.needs)
        ),
        None,
    )
    if dependent is not None:
        busy = state.step(dependent.ref).state in BUSY
        return Readiness(False, f"{dependent.ref} needs {ref}: undo it first", waits=busy)
    if planned.point_of_no_return == "soft" and not allow_loss:
        quality = rollback(state, service)
        if quality.quality == "loses":
            return Readiness(False, f"going back {quality.text}: type {service} to accept that")
    return READY


def _all_steps(state: RunState) -> list[tuple[Step, StepView]]:
    if state.plan is None:
        return []
    return [
        (step, state.services[service.id].steps[step.ref]) for service in state.plan.services for step in service.steps
    ]


def rollback(state: RunState, service: str) -> Rollback:
    """How good going back is now, from the points of no return that were passed and from what new has taken."""
    seen = state.services[service]
    soft = False
    for ref in _took_effect(seen):
        planned, view = state.planned(ref), state.step(ref)
        if planned.point_of_no_return == "hard":
            return Rollback(quality="impossible", text=f"impossible since {planned.id}")
        if not planned.undoable and planned.destructive:
            return Rollback(quality="impossible", text=f"impossible: {planned.id} has no undo")
        # What failed on its way there has not passed it; whether what failed on its way back still has, nobody knows.
        passed = view.applied != "failed" or view.intended is not None or view.state == "undo_failed"
        if planned.point_of_no_return == "soft" and passed:
            soft = True
    if not soft:
        return Rollback(quality="lossless", text="lossless")
    if seen.writes < 0:
        return Rollback(quality="loses", text="loses what new took, which is not measured", losses=-1)
    losses = max(seen.writes - seen.writes_base, 0)
    if losses == 0:
        return Rollback(quality="lossless", text="lossless so far")
    return Rollback(quality="loses", text=f"loses {losses}", losses=losses)


def safe_point(state: RunState, service: str) -> tuple[str, ...]:
    """What an abort would take back, in that order: all that took effect since the first step that holds users up.

    That is one of phase `freeze` or later where the plan has it, otherwise any."""
    plan = state.plan
    if plan is None:
        return ()
    phases = plan.phases
    frozen = phases.index("freeze") if "freeze" in phases else 0
    history = state.services[service].history
    first = next((n for n, ref in enumerate(history) if phases.index(state.planned(ref).phase) >= frozen), len(history))
    return tuple(reversed(history[first:]))


def condition_holds(plan: Plan, step: Step) -> bool:
    """Whether a conditional step applies to its service."""
    return applies(plan.service(step.service), step)


def refuse_limit(state: RunState, ref: str, rate: int) -> str:
    """Why a copy cannot be held to so many bytes a second, '' when it can."""
    if state.planned(ref).kind != "sync":
        return f"{ref} copies nothing"
    if not state.driver:
        return "nobody holds the wheel"
    return (
        "" if rate == 0 or rate >= LEAST else f"{rate} bytes a second is too little: {LEAST} or more, or 0 for no limit"
    )
