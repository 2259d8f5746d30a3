"""What the events of steps do to the state."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.plan.model import Step
from cockpit.reduce.tell import tell
from cockpit.state import BUSY, RING, Before, PassView, RunState, ServiceView, StepView

HOLDS: frozenset[str] = frozenset({"done", "already"})

StepEvent = (
    ev.StepIntended
    | ev.StepMoved
    | ev.StepCaptured
    | ev.StepApplied
    | ev.StepOutput
    | ev.StepProgress
    | ev.StepLimited
    | ev.SyncPassed
    | ev.NoticeSent
)

PASSES = 40
"""Passes of a service's copies that are kept."""


def of_step(state: RunState, record: ev.Record, event: StepEvent) -> RunState:
    """The state with what a step's event says; the same where the plan has no such step."""
    service = state.services.get(event.ref.partition("/")[0])
    step = service.steps.get(event.ref) if service is not None else None
    if service is None or step is None:
        return state
    telling: tuple[str, str] | None = None
    match event:
        case ev.StepIntended():
            step = replace(
                step,
                intended=event.op,
                applied="",
                before=None,
                told={},
                job=event.job,
                attempt=event.attempt,
                begun=step.begun or event.op == "apply",
            )
            service = _base(service, state.planned(event.ref), event.op)
        case ev.StepCaptured():
            step = replace(step, captured=event.captured)
        case ev.StepApplied():
            step = replace(step, intended=step.intended if event.outcome == "unknown" else None, applied=event.outcome)
            step = replace(step, sent=_settled(step.sent, event.outcome))
        case ev.NoticeSent():
            step = replace(step, sent=step.sent | {event.to: event.state})
        case ev.StepOutput():
            mine = event.file == f"raw/{step.job}.{event.stream}"
            step = replace(
                step,
                output=(*step.output, *event.lines)[-RING:],
                output_count=step.output_count + len(event.lines),
                told=step.told | {event.stream: event.offset + event.length} if mine else step.told,
            )
        case ev.StepProgress():
            step = replace(step, fraction=event.fraction, progress=event.detail)
        case ev.StepLimited():
            step = replace(step, limit=event.rate)
            telling = ("limit", f"{event.rate:,} bytes/s" if event.rate else "none")
        case ev.SyncPassed():
            passed = PassView(
                ref=event.ref,
                utc=record.utc,
                seconds=event.seconds,
                bytes=event.bytes,
                files=event.files,
                entries=event.entries,
                final=event.final,
            )
            service = replace(service, passes=(*service.passes, passed)[-PASSES:])
        case ev.StepMoved():
            step, service = _moved(step, service, record, event)
            telling = (event.state, event.detail)
    service = replace(service, steps=service.steps | {event.ref: replace(step, seq=record.seq)})
    if state.plan is not None and isinstance(event, ev.StepIntended | ev.StepApplied | ev.StepMoved):
        service = replace(service, may_write=_may_write(service, state.plan.service(service.id).steps))
    state = replace(state, services=state.services | {service.id: service})
    if telling is not None:
        state = tell(state, record, event.ref, *telling)
    return state


def _settled(sent: dict[str, Any], outcome: str) -> dict[str, Any]:
    """What was in doubt follows what became of the whole, which a person may have decided."""
    if outcome == "unknown":
        return sent
    known = "sent" if outcome == "ok" else "failed"
    return {to: known if state in {"sending", "unknown"} else state for to, state in sent.items()}


def _moved(
    step: StepView, service: ServiceView, record: ev.Record, event: ev.StepMoved
) -> tuple[StepView, ServiceView]:
    fresh = event.attempt != step.attempt or (
        step.state not in BUSY and event.state in {"running", "verifying", "undoing", "waiting"}
    )
    started = record.utc if fresh else step.started
    ended = 0.0 if event.state in BUSY else record.utc
    intended = step.intended if event.state in BUSY | {"unknown"} else None
    # How far something is says nothing of a wait.
    going_on = event.state in BUSY and event.state != "waiting" and not fresh
    before = step.before if event.state in BUSY else None
    if event.state == "undoing" and step.state != "undoing":
        before = Before(state=step.state, op=step.op, detail=step.detail)
    step = replace(
        step,
        state=event.state,
        attempt=event.attempt,
        op=event.op,
        detail=event.detail,
        until=event.until,
        took=event.took,
        started=started,
        ended=ended,
        intended=intended,
        before=before,
        fraction=step.fraction if going_on else -1.0,
        progress=step.progress if going_on else "",
    )
    if event.state == "running":
        # An undo that does not come to its intent leaves the outcome of what was applied as it is.
        step = replace(step, applied="")
    if event.state == "undone":
        # Another time begins with the state of its own time.
        step = replace(step, captured={}, begun=False, sent={})
    acted = event.state in {"done", "unverified", "drifted", "undo_failed"}
    acted = acted or (event.state in {"unknown", "failed"} and (step.applied != "" or step.intended is not None))
    if acted and event.ref not in service.history:
        service = replace(service, history=(*service.history, event.ref))
    elif event.state in {"undone"}:
        service = replace(service, history=tuple(ref for ref in service.history if ref != event.ref))
    return step, service


def _base(service: ServiceView, planned: Step, op: str) -> ServiceView:
    """What new had taken before an act opens it: what is over is what a rollback loses."""
    side = planned.opens if op == "apply" else planned.closes
    if side == "new" and side not in service.may_write:
        return replace(service, writes_base=max(service.writes, 0))
    return service


def _may_write(service: ServiceView, planned: tuple[Step, ...]) -> frozenset[str]:
    """The sides that may be open to writes. From its intent on, an act that opens a side may have happened whatever we hear
    of it; an act that closes one counts only while it is verified to hold. What is so already comes first, then what took
    effect, in that order, then what is under way."""
    by_ref = {step.ref: step for step in planned}
    stays = [ref for ref in by_ref if ref not in service.history and _holds_for_good(by_ref[ref], service.steps[ref])]
    under_way = [ref for ref, view in service.steps.items() if view.intended == "apply" and ref not in service.history]
    sides = {"old"}
    for ref in (*stays, *service.history, *under_way):
        step, view = by_ref[ref], service.steps[ref]
        if step.closes and (view.state in HOLDS or ref in stays):
            sides.discard(step.closes)
        if step.opens:
            sides.add(step.opens)
    return frozenset(sides)


def _holds_for_good(step: Step, view: StepView) -> bool:
    """So before we came, or without an undo that could end it."""
    return view.state == "already" or (view.state == "undone" and not step.undoable)
