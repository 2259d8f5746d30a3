"""What is known of a plan's data, as lines: sizes, rates of change, and how long the final copies should take. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cockpit.passes import Measured, clock
from cockpit.plan.model import Plan, Sync
from cockpit.state import PassView
from cockpit.survey.forecast import Forecast, Growth, forecast, growth
from cockpit.survey.sizes import Measure, data_sets


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """A final copy: what is expected of the next one, and how the last one came out."""

    step: str
    expected: Forecast
    passes: int = 0
    last: str = ""


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, by the labels of data sets."""

    sets: dict[str, Growth]
    finals: list[Final]


def survey(
    plan: Plan,
    measures: list[Measure],
    passes: Mapping[str, list[PassView]],
    last: Mapping[str, Measured],
    gap: float,
    rate: float = 0.0,
) -> Survey:
    """`passes` are those of earlier runs by step, `last` the final copies by service, `gap` seconds between the last copy and
    the final one."""
    by_label: dict[str, list[Measure]] = {}
    for one in measures:
        by_label.setdefault(one.what, []).append(one)
    known = {one.label: found for one in data_sets(plan) if (found := growth(by_label.get(one.label, []))) is not None}
    finals: list[Final] = []
    for service in plan.services:
        for step in service.steps:
            action = step.action
            if not isinstance(action, Sync) or not action.final:
                continue
            labels = [f"{action.source}:{path}" for path in action.paths]
            same = [
                one
                for other in service.steps
                if isinstance(other.action, Sync) and other.action.paths == action.paths
                for one in passes.get(other.ref, [])
            ]
            measured = [known[label] for label in labels if label in known]
            looks = sum(by_label[label][-1].look for label in labels if label in by_label)
            if len(measured) < len(labels):
                expected = Forecast(why="its data were not measured yet")
            else:
                expected = forecast(measured, looks, same, gap, rate)
            done = last.get(service.id)
            said = done.text if done is not None and done.ref == step.ref else ""
            finals.append(Final(step=step.ref, expected=expected, passes=len(same), last=said))
    return Survey(sets=known, finals=finals)


def lines(found: Survey, gap: float) -> list[str]:
    """The survey for people."""
    width = max((len(label) for label in found.sets), default=8)
    told = [f"{'data set':<{width}}  {'size':>9} {'files':>9}  {'changed in an hour':>21}  looked at"]
    for label, one in found.sets.items():
        least, most = size(one.low * 3600), size(one.high * 3600)
        rate = least if least == most else f"{least} – {most}"
        rate = rate if one.known else f"grew by {rate}"
        many = f"{one.measures} time" + ("s" if one.measures != 1 else "")
        told.append(
            f"{label:<{width}}  {size(one.bytes):>9} {one.files:>9,}  {rate:>21}  {many} over {clock(one.over)}"
        )
    for final in found.finals:
        expected = final.expected
        due = f"{size(expected.due_low)} – {size(expected.due_high)} due, {clock(gap)} after the copy before it"
        if expected.why:
            told.append(f"{final.step}: {expected.why}")
        else:
            told.append(f"{final.step}: {clock(expected.low)} – {clock(expected.high)} ({due})")
        if final.last:
            told.append(f"{' ' * len(final.step)}  the last one {final.last}")
    return told


def size(count: float) -> str:
    """Bytes in a person's units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
