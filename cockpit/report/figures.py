"""The sections with charts: planned against actual, and the propagation of record sets. Each chart's figures are in a table."""

from __future__ import annotations

from collections.abc import Iterable

from cockpit.report.facts import Attempt, Report, ServiceFact, Spread, StepFact
from cockpit.report.pages import Bar, Block, Curve, Gantt, Lane, Line, Row, Table, Text
from cockpit.report.words import NEVER, clock, count, seconds

LANES = 130
"""Steps that one chart shows; with more, a service has one lane and the critical path a chart of its own."""
CURVES = 60
OVERRUNS = 10


def schedule(report: Report) -> tuple[Block, ...]:
    """Gantt, critical path, largest overruns, all steps."""
    steps = {step.ref: step for service in report.services for step in service.steps}
    started = [step.started for step in steps.values() if step.started]
    if not started:
        return (Text(text="No step was run."),)
    first = min([*started, *(item.started for item in report.attempts if item.what == "apply")])
    now = report.run.ended
    lives: dict[str, list[Attempt]] = {}
    for item in report.attempts:
        if item.what != "none":
            lives.setdefault(item.ref, []).append(item)
    length = max([step.planned_end for step in steps.values()] + [_end(step, now) - first for step in steps.values()])
    blocks: list[Block] = [_summary(report)]
    if len(steps) <= LANES:
        lanes = tuple(_step_lane(step, lives, first, now) for step in steps.values())
        blocks.append(_gantt("gantt", "Steps, planned against actual", lanes, length))
    else:
        lanes = tuple(_service_lane(service, first, now) for service in report.services)
        blocks.append(_gantt("gantt", "Services, planned against actual", lanes, length))
        path = tuple(_step_lane(steps[ref], lives, first, now) for ref in report.run.critical[:LANES])
        blocks.append(_gantt("gantt-critical", "The critical path, planned against actual", path, length))
    chain = tuple(steps[ref] for ref in report.run.critical)
    over = sorted((step for step in steps.values() if step.over > 0), key=lambda step: -step.over)[:OVERRUNS]
    blocks.append(_table(report, "The critical path: the steps that determined when the last one ended", chain, first))
    blocks.append(_table(report, f"The largest overruns, {OVERRUNS} at most", over, first))
    blocks.append(_table(report, "All steps", steps.values(), first, folded=True))
    return tuple(blocks)


def _summary(report: Report) -> Text:
    run = report.run
    source = f" from {run.forecast_from}" if run.forecast_from else ""
    waited = "Planned times are what the forecasts" + source + " give when nobody lingers at a gate."
    counted = f"The critical path had {count(len(run.critical), 'step')}"
    same = "the planned one" if run.critical == run.planned_critical else "another one than planned"
    return Text(
        text=f"{waited} Forecast {seconds(run.planned)}, taken {seconds(run.took)}. {counted}, and was {same}.",
        mood="mind" if run.took > run.planned > 0 else "",
    )


def _gantt(id: str, title: str, lanes: tuple[Lane, ...], length: float) -> Gantt:
    text = (
        f"{count(len(lanes), 'row')} over {seconds(length)}, counted from the first step's start. In each row the upper, hollow "
        "bars are planned, the lower, solid ones are actual. A solid bar with a heavy edge is on the critical path, a dotted one "
        "is a step taken back, a striped one a step verified again. The tables below give the figures."
    )
    return Gantt(id=id, title=title, text=text, lanes=lanes, length=max(length, 0.001))


def _end(step: StepFact, now: float) -> float:
    return step.ended or (now if step.started else 0.0)


def _step_lane(step: StepFact, lives: dict[str, list[Attempt]], first: float, now: float) -> Lane:
    bars = _planned(step)
    for item in lives.get(step.ref, ()):
        sort = item.what if item.what in {"undo", "verify"} else "actual"
        bars.append(
            Bar(
                start=item.started - first,
                end=(item.ended or now) - first,
                sort="undo" if sort == "undo" else "verify" if sort == "verify" else "actual",
                critical=step.critical and sort == "actual",
                text=f"{step.ref}, {item.state}, {seconds(item.took)}",
            )
        )
    return Lane(name=step.ref, bars=tuple(bars))


def _planned(step: StepFact) -> list[Bar]:
    """A step's planned bar; none for a step that the plan leaves out, or of which it does not say how long it takes."""
    start, end = step.planned_start, step.planned_end
    text = f"{step.ref}, planned {seconds(end - start)}"
    return [Bar(start=start, end=end, sort="planned", text=text)] if end > start else []


def _service_lane(service: ServiceFact, first: float, now: float) -> Lane:
    bars = [bar for step in service.steps for bar in _planned(step)]
    bars += [
        Bar(
            start=step.started - first,
            end=_end(step, now) - first,
            sort="actual",
            critical=step.critical,
            text=f"{step.ref}, {step.state}, {seconds(step.took)}",
        )
        for step in service.steps
        if step.started
    ]
    return Lane(name=service.id, bars=tuple(bars))


def _table(report: Report, caption: str, steps: Iterable[StepFact], first: float, *, folded: bool = False) -> Table:
    rows = tuple(
        Row(
            cells=(
                step.ref,
                step.phase,
                step.state,
                str(step.attempts),
                f"{step.planned_start:.1f}",
                f"{step.started - first:.1f}" if step.started else NEVER,
                clock(step.started, report.run.started),
                clock(step.ended, report.run.started) if step.ended or not step.started else "under way",
                seconds(step.forecast) if step.forecast else NEVER,
                seconds(step.took) if step.started else NEVER,
                seconds(step.over) if step.over else NEVER,
                "yes" if step.critical else "no",
            ),
            seq=step.seq,
            mood="mind" if step.over > 0 and step.took > 1.5 * step.forecast else "",
        )
        for step in steps
    )
    head = (
        "step",
        "phase",
        "is",
        "runs",
        "planned at s",
        "begun at s",
        "from",
        "until",
        "forecast",
        "took",
        "over",
        "critical",
    )
    return Table(caption=caption, head=head, rows=rows, numbers=frozenset({3, 4, 5, 8, 9, 10}), folded=folded)


def propagation(report: Report) -> tuple[Block, ...]:
    """A curve for each record set, and tables."""
    if not report.spread:
        return (Text(text="No record set was watched."),)
    blocks: list[Block] = [_horizons(report)]
    for number, item in enumerate(report.spread):
        if number < CURVES:
            blocks.append(_curve(number, item, report))
    blocks += [_points(report), _vantages(report)]
    if len(report.spread) > CURVES:
        text = (
            f"{count(len(report.spread) - CURVES, 'record set')} more have no chart; their figures are in the tables."
        )
        blocks.insert(1, Text(text=text))
    return tuple(blocks)


def _named(item: Spread) -> str:
    return f"{item.service}: {item.name} {item.type}"


def _of(part: tuple[int, int]) -> str:
    return f"{part[0]} of {part[1]}"


def _horizons(report: Report) -> Table:
    rows = tuple(
        Row(
            cells=(
                _named(item),
                _of(item.points[-1].authorities),
                _of(item.points[-1].caches),
                clock(item.horizon, report.run.started) if item.horizon else "not known",
            ),
            seq=item.seq,
        )
        for item in report.spread
    )
    head = ("record set", "authorities with new", "caches with new", "no honest cache has old after")
    return Table(caption="How far each record set had come in the end", head=head, rows=rows)


def _curve(number: int, item: Spread, report: Report) -> Curve:
    first, last = report.run.started or item.points[0].utc, max(report.run.ended, item.points[-1].utc)

    def share(part: tuple[int, int]) -> float:
        return part[0] / part[1] if part[1] else 0.0

    length = max(last - first, 0.001)

    def line(name: str, parts: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        return (*((max(0.0, at - first), value) for at, value in parts), (length, parts[-1][1]))

    authorities = line("authorities", [(point.utc, share(point.authorities)) for point in item.points])
    caches = line("caches", [(point.utc, share(point.caches)) for point in item.points])
    end = item.points[-1]
    text = (
        f"{_named(item)} over {seconds(length)}: in the end {_of(end.authorities)} answers of authorities and "
        f"{_of(end.caches)} sampled caches had the new answer. The solid line is authorities, the dashed one caches. "
        "The table below gives each change."
    )
    return Curve(
        id=f"curve-{number}",
        title=f"Propagation of {_named(item)}",
        text=text,
        lines=(Line(name="authorities", points=authorities), Line(name="caches", points=caches, sort="second")),
        length=length,
    )


def _points(report: Report) -> Table:
    rows = tuple(
        Row(
            cells=(_named(item), clock(point.utc, report.run.started), _of(point.authorities), _of(point.caches)),
            seq=point.seq,
        )
        for item in report.spread
        for point in item.points
    )
    head = ("record set", "at", "authorities with new", "caches with new")
    return Table(caption="Each change of that", head=head, rows=rows, folded=True)


def _vantages(report: Report) -> Table:
    rows = tuple(
        Row(
            cells=(
                _named(item),
                seen.vantage,
                seen.role,
                seen.state,
                ", ".join(seen.answers) or NEVER,
                str(seen.ttl) if seen.ttl >= 0 else NEVER,
                ", ".join(seen.flags) or NEVER,
            ),
            seq=seen.seq,
            mood="mind" if seen.state != "new" or seen.flags else "",
        )
        for item in report.spread
        for seen in item.vantages
    )
    head = ("record set", "vantage", "role", "says", "answers", "TTL left", "flags")
    return Table(caption="What each vantage said last", head=head, rows=rows, numbers=frozenset({5}), folded=True)
