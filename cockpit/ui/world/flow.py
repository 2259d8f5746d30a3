"""Traffic of real clients on old and new, and the meters of downtime."""

from __future__ import annotations

from functools import partial

from cockpit import freshness
from cockpit.plan.model import Service
from cockpit.plan.watched import Downtime, Traffic
from cockpit.state import DownView, RunState, ServiceView, TrafficView
from cockpit.ui.paint import Line, seconds, when
from cockpit.ui.world import aged
from cockpit.ui.world.entry import Entry, facts, wrapped
from cockpit.ui.world.figures import bounds, rounded_down, rounded_up, spark, tone

LATELY = 24
"""Columns of a rate's history in the list."""


def traffic(service: Service, view: ServiceView, now: float) -> list[Entry]:
    """Requests of real clients a second, old first."""
    entries: list[Entry] = []
    for host, seen in sorted(view.traffic.items(), key=lambda pair: pair[1].side != "old"):
        line: Line = [
            (f"{seen.side:<4}", seen.side),
            (f"{seen.rate:>7.1f}/s ", "" if seen.rate else "dim"),
            (spark(seen.rates, LATELY), seen.side),
            (f"  probes {seen.probes:.1f}/s", "dim"),
        ]
        if seen.trouble:
            line = [(f"{seen.side:<4}", seen.side), ("  ✗ not counted: ", "bad"), (seen.trouble, "")]
        planned = next((each for each in service.traffic if each.host == host), None)
        line = aged.faded(line, freshness.age(seen.utc, now))
        entries.append(Entry(f"traffic {host}", "traffic", line, partial(_traffic, host, seen, planned, now)))
    return entries


def _traffic(host: str, seen: TrafficView, planned: Traffic | None, now: float, width: int) -> list[Line]:
    lines: list[Line] = [[(f" requests on {host} ", "title"), (seen.side, seen.side)]]
    calm = max(0.0, now - max(seen.last, seen.heard, seen.since, seen.unsure))
    pairs = [
        ("real clients", f"{seen.rate:.1f} a second, {seen.total} in all since {when(seen.since)}"),
        ("our own probes", f"{seen.probes:.1f} a second"),
        ("last real one", f"{when(seen.last)}, {seconds(max(0.0, now - seen.last))} ago" if seen.last else "none yet"),
        ("log", (planned.file or planned.unit) if planned is not None else ""),
    ]
    lines += facts(pairs, width)
    if planned is not None and seen.side == "old" and calm < planned.quiet:
        left = (
            f"Old counts as drained after {seconds(planned.quiet)} without one: {seconds(planned.quiet - calm)} left."
        )
        lines += wrapped(left, width)
    if seen.trouble:
        lines += wrapped(f"The log cannot be read now, so nothing is counted: {seen.trouble}", width, "bad")
    if seen.unread:
        text = f"{seen.unread} lines do not fit the format, so they are not counted. The last: {seen.example}"
        lines += wrapped(text, width, "warn")
    if seen.lost:
        text = f"The host has lost at least {seen.lost} bytes of its log, whose requests are not counted."
        lines += wrapped(text, width, "warn")
    lines.append([(" ", ""), (spark(seen.rates, max(1, width - 2)), seen.side)])
    return lines


def meters(state: RunState, service: Service, view: ServiceView) -> list[Entry]:
    """The service's meters and the night's."""
    planned = {meter.id: meter for meter in service.meters}
    found: list[tuple[str, DownView, Downtime | None]] = []
    if service.downtime is not None:
        found.append(("", view.down, service.downtime))
    found += [(name, down, planned.get(name)) for name, down in view.meters.items()]
    entries = [_meter(name, down, meter, meter.budget if meter is not None else 0.0) for name, down, meter in found]
    if state.down != DownView():
        budget = state.plan.downtime if state.plan is not None else 0.0
        entries.append(_meter("whole night", state.down, None, budget))
    return entries


def _meter(name: str, down: DownView, planned: Downtime | None, budget: float) -> Entry:
    title = name or down.what
    over = "!" if budget and down.upper > budget else ""
    line: Line = [
        (f"{title} ", "dim"),
        (bounds(down.lower, down.upper) + over, tone(down, budget)),
        (f" of {seconds(budget)}" if budget else "", "dim"),
        (" NOW" if down.ongoing else "", "bad"),
        (f"  {down.failed} failed" if down.failed else "", "bad"),
        (f"  {down.stalled} stalled" if down.stalled else "", "warn"),
    ]
    return Entry(f"meter {name}", "downtime", line, partial(_metered, title, down, planned, budget))


def _metered(title: str, down: DownView, planned: Downtime | None, budget: float, width: int) -> list[Line]:
    kind = {"read": "readers were away", "write": "writers were away", "mail": "mail was late"}[down.what]
    lines: list[Line] = [[(f" {title}: ", "title"), (kind, "")]]
    said = f"at least {rounded_down(down.lower, 2):.2f} s, at most {rounded_up(down.upper, 2):.2f} s" + (
        ", and it goes on" if down.ongoing else ""
    )
    lines += wrapped(said, width, tone(down, budget))
    spent = down.upper / budget if budget else 0.0
    pairs = [
        ("budget", f"{seconds(budget)}, up to {spent:.0%} of it spent" if budget else "none"),
        ("samples", f"{down.samples}" if down.samples else ""),
        ("failed", f"{down.failed}: refused, reset, cut off, or a wrong answer"),
        ("stalled", f"{down.stalled}: no answer in time"),
        ("missed", f"{down.missed}: due and not sent; the upper bound holds them" if down.missed else ""),
    ]
    if planned is not None:
        asked = f"{planned.method} {planned.url}" + (f" at {planned.address}" if planned.address else "")
        pairs += [("asks", asked), ("every", f"{planned.every * 1000:.0f} ms, time-out {seconds(planned.timeout)}")]
    return lines + facts(pairs, width)
