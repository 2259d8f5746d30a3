"""Each step, planned against actual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cockpit.engine import rules
from cockpit.passes import final_measured
from cockpit.report.facts import Attempt, ServiceFact, StepFact
from cockpit.report.rows import short
from cockpit.report.schedule import Schedule, Span, critical, planned
from cockpit.state import TICKED, RunState


@dataclass(frozen=True)
class Steps:
    """All steps of the plan, by ref, with the schedule and the chain that determined the end."""

    facts: dict[str, StepFact]
    schedule: Schedule
    critical: tuple[str, ...]
    began: dict[str, float]
    """When each step that was run first began."""
    took: float

    @classmethod
    def of(cls, state: RunState, attempts: tuple[Attempt, ...]) -> Steps:
        """The steps of the plan; none without a plan."""
        if state.plan is None:
            return cls({}, Schedule(), (), {}, 0.0)
        schedule = planned(state.plan, state.forecast)
        lives: dict[str, list[Attempt]] = {}
        for attempt in attempts:
            lives.setdefault(attempt.ref, []).append(attempt)
        spans = {ref: span for ref, own in lives.items() if (span := _span(own, state.utc)) is not None}
        began = {ref: ran[0].started for ref, own in lives.items() if (ran := [a for a in own if a.what == "apply"])}
        chain = critical(state.plan, {ref: (start, end) for ref, (start, end, _) in spans.items()})
        facts: dict[str, StepFact] = {}
        for service in state.plan.services:
            for step in service.steps:
                view = state.step(step.ref)
                start, end, going = spans.get(step.ref, (0.0, 0.0, False))
                due = schedule.spans.get(step.ref, (0.0, 0.0))
                forecast = state.forecast.get(step.ref, step.estimate)
                over = end - start - forecast if start and forecast and not going else 0.0
                facts[step.ref] = StepFact(
                    ref=step.ref,
                    title=step.title or step.id,
                    phase=step.phase,
                    host=step.host,
                    kind=step.kind,
                    state=view.state,
                    detail=short(view.detail),
                    seq=lives[step.ref][-1].end_seq if step.ref in lives else 0,
                    attempts=sum(attempt.what == "apply" for attempt in lives.get(step.ref, ())),
                    forecast=forecast,
                    planned_start=due[0],
                    planned_end=due[1],
                    started=start,
                    ended=0.0 if going else end,
                    took=end - start,
                    over=over,
                    critical=step.ref in chain,
                    planned_critical=step.ref in schedule.critical,
                )
        first = min((start for start, _, _ in spans.values()), default=0.0)
        last = max((end for _, end, _ in spans.values()), default=0.0)
        return cls(facts, schedule, chain, began, last - first)


def _span(lives: list[Attempt], now: float) -> tuple[float, float, bool] | None:
    """(start, end, still going on) of a step's last run: from the start of its last apply until it was ticked, or as far as it
    came. None for a step that was never run."""
    place = next((n for n in range(len(lives) - 1, -1, -1) if lives[n].what == "apply"), None)
    if place is None:
        return None
    run = lives[place:]
    ticked = next((attempt for attempt in run if attempt.state in TICKED and attempt.ended), None)
    if ticked is not None:
        return run[0].started, ticked.ended, False
    own = [attempt for attempt in run if attempt.what in {"apply", "verify"}]
    return run[0].started, own[-1].ended or now, not own[-1].ended


def services(state: RunState, steps: Steps, writers: Mapping[str, int], first: int) -> tuple[ServiceFact, ...]:
    """Every service of the plan, in its order. `writers`: the event that last told who writes."""
    if state.plan is None:
        return ()
    made: list[ServiceFact] = []
    for service in state.plan.services:
        view = state.services[service.id]
        own = tuple(steps.facts[step.ref] for step in service.steps)
        ran: list[Span] = [(step.started, step.ended) for step in own if step.started]
        copied = final_measured(state, service.id)
        made.append(
            ServiceFact(
                id=service.id,
                title=service.title or service.id,
                wave=service.wave,
                seq=max((step.seq for step in own), default=0) or first,
                complete=rules.complete(state, service.id),
                rollback=rules.rollback(state, service.id).text,
                writer_before=view.writer_before,
                writer=view.writer,
                writer_seq=writers.get(service.id, 0),
                started=min((start for start, _ in ran), default=0.0),
                ended=max((end for _, end in ran), default=0.0) if all(end for _, end in ran) else 0.0,
                steps=own,
                final_copy=f"{copied.ref} {copied.text}" if copied is not None else "",
            )
        )
    return tuple(made)
