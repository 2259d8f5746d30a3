"""The world's view in a few words: how far DNS has come, how long a service was away, and what else is not as it should be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from cockpit import freshness
from cockpit.plan.model import Plan, Service
from cockpit.reduce.world import WRONG, propagation, traffic_share
from cockpit.state import DownView, HealthView, RunState, ServiceView
from cockpit.ui.paint import Line, Span, seconds, width_of
from cockpit.ui.world import aged

BARS = "▁▂▃▄▅▆▇█"

NEARLY = 0.8
"""Share of a budget from which it is shown in the colour of a warning."""

EXPIRING = 14.0
"""Days left of a certificate from which it is mentioned."""


def first_fitting(lines: Iterable[Line], width: int) -> Line:
    """The first of them that fits, else the last."""
    line: Line = []
    for line in lines:
        if width_of(line) <= width:
            break
    return line


def share(new: int, whole: int) -> Span:
    """`7/10`, in the colour of the side that has them."""
    return f"{new}/{whole}", "new" if whole and new == whole else "old" if not new else "warn"


def traffic(view: ServiceView, now: float) -> Span:
    """The share of real clients' requests that new gets: `92 %`, `–` while it is not known of both sides."""
    part = traffic_share(view, now)
    if part < 0:
        return "–", "dim"
    return f"{part * 100:.0f} %", "new" if part >= 0.995 else "old" if part < 0.005 else "warn"


def three(view: ServiceView, now: float, key: str = "") -> list[Line]:
    """Authorities, sampled caches and traffic: always three figures, never one; the longest form first. `key` limits the
    first two to one record set."""
    authorities, caches = (share(*pair) for pair in propagation(view, key))
    third = traffic(view, now)
    dot: Span = (" · ", "dim")
    return [
        [("auth ", "dim"), authorities, dot, ("caches ", "dim"), caches, dot, ("traffic ", "dim"), (third[0], third[1])]
        + ([(" new", third[1])] if third[0] != "–" else []),
        [("auth ", "dim"), authorities, (" caches ", "dim"), caches, (" traffic ", "dim"), third],
        [("a ", "dim"), authorities, (" c ", "dim"), caches, (" t ", "dim"), (third[0].replace(" ", ""), third[1])],
    ]


def wrong(view: ServiceView, key: str = "") -> dict[str, int]:
    """How many caches are stale or bogus."""
    found = dict.fromkeys(sorted(WRONG, reverse=True), 0)
    for seen in view.dns.values():
        if seen.role == "resolver" and (not key or f"{seen.name} {seen.type}" == key):
            for flag in WRONG.intersection(seen.flags):
                found[flag] += 1
    return {flag: count for flag, count in found.items() if count}


def dns(plan: Plan, view: ServiceView, now: float, width: int) -> Line:
    """The three figures, what is stale or bogus, and the horizon while it is ahead."""
    if not view.dns:
        return [("dns –", "dim")]
    age = aged.of_dns(plan, view, now)
    full, middle, short = (aged.faded(form, age) for form in three(view, now))
    tiny: Line = [*((text, "dim") for text, _ in three(view, now)[2]), (" ?", "dim")] if age else short
    bad = wrong(view)
    words: Line = [(f"  ! {count} {flag}", "bad") for flag, count in bad.items()]
    signs: Line = [(f" !{count} {flag}", "bad") for flag, count in bad.items()]
    least: Line = [("!", "bad")] if bad else []
    ahead = max(view.horizon.values(), default=0.0) - now
    until: Line = [(f"  horizon {seconds(ahead)}", "warn")] if ahead > 0 else []
    brief: Line = [(f" {seconds(ahead)}", "warn")] if ahead > 0 else []
    name: Line = [("dns ", "dim")]
    return first_fitting(
        (
            [*name, *full, *words, *until],
            [*name, *middle, *signs, *until],
            [*name, *middle, *signs, *brief],
            [*middle, *signs, *brief],
            [*name, *short, *signs, *brief],
            [*short, *signs, *brief],
            [*tiny, *least, *brief],
            [*tiny, *least],
        ),
        width,
    )


def bounds(lower: float, upper: float) -> str:
    """`0.56–0.91 s`, from ten seconds on `12.3–12.9 s`, from two minutes on `2:05–2:06`; `0 s` for none. What is shown holds the
    outage: the lower bound is rounded down, the upper one up."""
    if upper <= 0:
        return "0 s"
    if upper >= 120:
        return f"{seconds(rounded_down(lower, 1) if lower < 60 else rounded_down(lower, 0))}–{seconds(rounded_up(upper, 0))}"
    places = 2 if upper < 10 else 1
    return f"{rounded_down(lower, places):.{places}f}–{rounded_up(upper, places):.{places}f} s"


def rounded_down(value: float, places: int) -> float:
    """The largest number with so many places that is not above."""
    # 0.57 times 100 is 56.99999999999999: what a float cannot hold is no part of the bound.
    return math.floor(round(value * 10.0**places, 6)) / 10.0**places


def rounded_up(value: float, places: int) -> float:
    """The smallest number with so many places that is not below."""
    return math.ceil(round(value * 10.0**places, 6)) / 10.0**places


def tone(down: DownView, budget: float) -> str:
    """The colour of an outage against its budget, 0 for none."""
    if budget and down.upper > budget:
        return "bad"
    return "warn" if down.ongoing or (budget and down.upper > budget * NEARLY) else ""


def downtime(service: Service, view: ServiceView, width: int = 1000) -> Line:
    """The outage's bounds against the budget; samples that failed apart from those that stalled."""
    if service.downtime is None:
        return []
    down, budget = view.down, service.downtime.budget
    colour = tone(down, budget)
    mark = "!" if budget and down.upper > budget else ""
    text, limit = bounds(down.lower, down.upper) + mark, seconds(budget)
    here: Line = [(" NOW", "bad")] if down.ongoing else []
    failed: Line = [(f"  {down.failed} failed", "bad")] if down.failed else []
    stalled: Line = [(f"  {down.stalled} stalled", "warn")] if down.stalled else []
    signs: Line = [(f" ✗{down.failed}", "bad")] if down.failed else []
    signs += [(f" ◷{down.stalled}", "warn")] if down.stalled else []
    head: Line = [("down ", "dim"), (text, colour), (f" of {limit}", "dim")]
    least: Line = [("down ", "dim"), (text.replace(" s", ""), colour), (f"/{limit.replace('.0 s', ' s')}", "dim")]
    return first_fitting(
        (
            [*head, *here, *failed, *stalled],
            [*head, *here, *signs],
            [*least, *here, *signs],
            [*least, *here],
        ),
        width,
    )


def night(state: RunState) -> Line:
    """The night's outage against its budget; without a figure of the whole night, the worst of its services."""
    down, budget = state.down, state.plan.downtime if state.plan is not None else 0.0
    if down == DownView():
        worst = max((view.down for view in state.services.values()), key=lambda each: each.upper, default=down)
        down = DownView(
            lower=worst.lower,
            upper=worst.upper,
            ongoing=any(view.down.ongoing for view in state.services.values()),
        )
        budget = 0.0
    colour = {"bad": "headbad", "warn": "headwarn", "": "head"}[tone(down, budget)]
    text = bounds(down.lower, down.upper) + ("!" if budget and down.upper > budget else "")
    limit = f" of {seconds(budget)}" if budget else ""
    return [(f"down {text}{limit}", "headbad" if down.ongoing else colour)]


def row_of(service: Service, key: str) -> int:
    """Good answers in a row that the probe behind `probe@vantage` needs."""
    probe = freshness.probe_of(service, key)
    return probe.row if probe is not None else 1


def waits(service: Service, key: str, answer: HealthView) -> bool:
    """Whether an answer was good, but not yet so often in a row as the plan wants."""
    return 0 < answer.row < row_of(service, key)


def badness(service: Service, key: str, answer: HealthView) -> int:
    """0 for an answer that is not good, 1 for one that has to be good more often, 2 for a good one."""
    return 1 if waits(service, key, answer) else 2 if answer.ok else 0


def health(service: Service, view: ServiceView, width: int, now: float) -> Line:
    """The worst answer of all protocols at each vantage. One that is too old is worse than a good one: nobody knows whether it
    still holds."""
    forms: list[Line] = []
    for how, counted in ((" bridged", True), (" bridged", False), ("⇢", False), ("", False)):
        line: Line = []
        for at, style in (("old", "old"), ("new", "new"), ("world", "")):
            seen = [(key, answer) for key, answer in view.health.items() if key.endswith(f"@{at}")]
            line += [("  " if line else "", ""), (f"{at} ", style), *_worst(service, seen, how, counted, now)]
        forms.append(line)
    return first_fitting(forms, width)


def _worst(service: Service, seen: list[tuple[str, HealthView]], bridged: str, counted: bool, now: float) -> Line:
    ages = {key: aged.of_health(service, key, answer, now) for key, answer in seen}
    if not all(ages.values()):
        # Servers of a mail domain come and go with its MX: only while none of them is heard is it unknown how they are.
        seen = [pair for pair in seen if not ages[pair[0]] or freshness.probe_of(service, pair[0]) is not None]
    if not seen:
        return [("·", "dim")]
    known = [pair for pair in seen if not ages[pair[0]] and badness(service, *pair) < 2]
    key, worst = max(seen, key=lambda pair: ages[pair[0]])
    if ages[key] and not known:
        return aged.faded(_answer(service, key, worst, bridged, ""), ages[key])
    key, worst = min(known or seen, key=lambda pair: (badness(service, *pair), -pair[1].ms))
    bad = sum(not badness(service, *pair) for pair in seen)
    count = f" {bad} of {len(seen)}" if counted and bad and len(seen) > 1 else ""
    return _answer(service, key, worst, bridged, count)


def _answer(service: Service, key: str, worst: HealthView, bridged: str, count: str) -> Line:
    how = bridged if worst.bridged else ""
    if waits(service, key, worst):
        return [("◷", "warn"), (f" {worst.row} in a row{how}", "dim")]
    if worst.ok:
        return [("✓", "good"), (f" {worst.ms:.0f} ms{how}", "dim")]
    if worst.proto == "http":
        word = str(worst.status) if worst.status else "down"
    else:
        word = f"{worst.proto} {worst.status}" if worst.status else worst.proto
    return [("✗", "bad"), (f" {word}{count}{how}", "warn" if worst.status else "bad")]


def spark(values: Sequence[float], width: int) -> str:
    """The newest values as bars against the greatest of them, the newest at the right."""
    shown = list(values)[-width:]
    most = max(shown, default=0.0)
    return "".join(BARS[round(value / most * (len(BARS) - 1))] if most > 0 else BARS[0] for value in shown)
