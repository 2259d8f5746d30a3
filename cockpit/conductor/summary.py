"""The end of a run as plain data: what `--json` prints. Pure: reads a RunState."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cockpit.engine import rules
from cockpit.passes import final_measured
from cockpit.plan.model import Service
from cockpit.state import RunState, ServiceView


def stamp(utc: float) -> str | None:
    """ISO 8601 in UTC with milliseconds; None for a time that never was."""
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds") if utc else None


def summary(state: RunState, head: str = "") -> dict[str, Any]:
    """Every service with its steps and times, downtime with both bounds, writer before and after, and what the
    authorities and resolvers answered last. Times are ISO 8601 UTC, durations seconds."""
    plan = state.plan
    if plan is None:
        return {"run": state.run, "verdict": "the run never started"}
    return {
        "run": state.run,
        "plan": {"name": plan.name, "hash": plan.hash},
        "mode": state.mode,
        "started": stamp(state.started),
        "ended": stamp(state.ended),
        "verdict": state.verdict,
        "exit": state.exit,
        "head": head,
        "gates": {
            id: {
                "open": gate.open,
                "by": gate.by,
                "second": gate.second,
                "alone": gate.alone,
                "override": gate.override,
                "at": stamp(gate.utc),
            }
            for id, gate in state.gates.items()
        },
        "services": {service.id: _service(state, service, state.services[service.id]) for service in plan.services},
        "acceptable_losses": [loss.what for loss in plan.acceptable_losses],
        "notes": [{"at": stamp(note.utc), "by": note.actor, "text": note.text} for note in state.notes],
    }


def _final(state: RunState, service: str) -> dict[str, Any] | None:
    """What the final copy took, and what had been predicted when it began."""
    found = final_measured(state, service)
    if found is None:
        return None
    said = found.predicted
    predicted = {"low": round(said.low, 3), "high": round(said.high, 3), "passes": said.passes} if said else None
    return {"step": found.ref, "took": found.seconds, "predicted": predicted}


def _service(state: RunState, planned: Service, view: ServiceView) -> dict[str, Any]:
    answers: dict[str, dict[str, dict[str, Any]]] = {"authorities": {}, "resolvers": {}}
    for seen in view.dns.values():
        side = "resolvers" if seen.role == "resolver" else "authorities"
        answers[side][f"{seen.name} {seen.type} {seen.vantage}"] = {
            "state": seen.state,
            "answers": list(seen.answers),
            "ttl": seen.ttl,
            "serial": seen.serial,
            "flags": list(seen.flags),
        }
    down = view.down
    return {
        "title": planned.title or planned.id,
        "wave": planned.wave,
        "complete": rules.complete(state, planned.id),
        "rollback": rules.rollback(state, planned.id).text,
        "steps": [
            {
                "ref": step.ref,
                "phase": state.planned(step.ref).phase,
                "state": step.state,
                "attempts": step.attempt,
                "started": stamp(step.started),
                "ended": stamp(step.ended),
                "took": step.took,
                "forecast": state.forecast.get(step.ref, 0.0),
                "detail": step.detail,
            }
            for step in view.steps.values()
        ],
        "final_copy": _final(state, planned.id),
        "downtime": {
            "lower": round(down.lower, 3),
            "upper": round(down.upper, 3),
            "ongoing": down.ongoing,
            "failed": down.failed,
            "stalled": down.stalled,
            "samples": down.samples,
            "budget": planned.downtime.budget if planned.downtime is not None else None,
        },
        "writer": {"before": view.writer_before, "after": view.writer, "detail": view.writer_detail},
        "dns": answers,
    }
