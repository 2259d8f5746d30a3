"""What the world saw over time: outages as stretches, and how far each record set had spread."""

from __future__ import annotations

from dataclasses import dataclass, field

from cockpit import events as ev
from cockpit.plan.model import Plan
from cockpit.reduce.world import propagation
from cockpit.report.facts import Downtime, Point, Spread, Stretch, VantageFact
from cockpit.report.rows import Rows
from cockpit.state import RunState

STRETCHES = 200
POINTS = 400
METERS = 5000


@dataclass
class _Meter:
    event: ev.DowntimeSeen
    seq: int
    stretches: Rows[Stretch] = field(default_factory=lambda: Rows(STRETCHES))
    since: tuple[int, float, float, float] | None = None
    """(seq, utc, lower, upper) as it was when the outage began."""
    utc: float = 0.0


class Outages:
    """Follows all meters of downtime."""

    def __init__(self) -> None:
        self._meters: dict[tuple[str, str], _Meter] = {}

    def feed(self, record: ev.Record, event: ev.DowntimeSeen) -> None:
        """One sample's account."""
        key = (event.service, event.meter)
        meter = self._meters.get(key)
        if meter is None:
            if len(self._meters) >= METERS:
                return
            meter = self._meters[key] = _Meter(event=ev.DowntimeSeen(service="", lower=0.0, upper=0.0), seq=record.seq)
        before = meter.event
        if meter.since is None and (event.ongoing or event.upper > before.upper):
            meter.since = (record.seq, record.utc, before.lower, before.upper)
        if event.upper != before.upper or event.lower != before.lower or event.ongoing != before.ongoing:
            meter.seq = record.seq
        meter.event, meter.utc = event, record.utc
        if meter.since is not None and not event.ongoing:
            meter.stretches.add(_stretch(meter, record.seq, record.utc))
            meter.since = None

    def facts(self, plan: Plan | None) -> tuple[Downtime, ...]:
        """Every meter of the plan, and every other one that told something; the night as a whole first."""
        budgets: dict[tuple[str, str], float] = {}
        if plan is not None:
            if plan.downtime or ("", "") in self._meters:
                budgets["", ""] = plan.downtime
            for service in plan.services:
                if service.downtime is not None:
                    budgets[service.id, ""] = service.downtime.budget
                budgets |= {(service.id, meter.id): meter.budget for meter in service.meters}
        keys = list(dict.fromkeys([*budgets, *self._meters]))
        return tuple(self._fact(key, budgets.get(key, 0.0)) for key in keys)

    def _fact(self, key: tuple[str, str], budget: float) -> Downtime:
        meter = self._meters.get(key)
        event = meter.event if meter is not None else ev.DowntimeSeen(service=key[0], lower=0.0, upper=0.0)
        stretches = list(meter.stretches) if meter is not None else []
        if meter is not None and meter.since is not None:
            stretches.append(_stretch(meter, meter.seq, 0.0))
        return Downtime(
            seq=meter.seq if meter is not None else 0,
            service=key[0],
            meter=key[1],
            what=event.what,
            lower=event.lower,
            upper=event.upper,
            ongoing=event.ongoing,
            failed=event.failed,
            stalled=event.stalled,
            samples=event.samples,
            missed=event.missed,
            budget=budget,
            verdict=_verdict(event, budget, measured=meter is not None),
            stretches=tuple(stretches),
            left_out=meter.stretches.left_out if meter is not None else 0,
        )


def _stretch(meter: _Meter, seq: int, ended: float) -> Stretch:
    assert meter.since is not None
    began, utc, lower, upper = meter.since
    return Stretch(
        seq=began,
        end_seq=seq,
        started=utc,
        ended=ended,
        lower=max(0.0, meter.event.lower - lower),
        upper=max(0.0, meter.event.upper - upper),
    )


def _verdict(event: ev.DowntimeSeen, budget: float, *, measured: bool) -> str:
    if not measured:
        return "not measured"
    if not budget:
        return "no budget"
    if event.lower > budget:
        return "over"
    return "perhaps over" if event.upper > budget else "within"


class Curves:
    """Follows all record sets."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str, str], list[Point]] = {}
        self._seqs: dict[tuple[str, str, str, str, str], int] = {}

    def feed(self, record: ev.Record, event: ev.DnsSeen, state: RunState) -> None:
        """One answer; `state` is right after it."""
        service = state.services.get(event.service)
        if service is None:
            return
        self._seqs[event.service, event.name, event.type, event.role, event.vantage] = record.seq
        points = self._points.setdefault((event.service, event.name, event.type), [])
        authorities, caches = propagation(service, f"{event.name} {event.type}")
        if points and (points[-1].authorities, points[-1].caches) == (authorities, caches):
            return
        if len(points) >= POINTS:
            del points[1 : POINTS // 2 : 2]
        points.append(Point(seq=record.seq, utc=record.utc, authorities=authorities, caches=caches))

    def facts(self, state: RunState) -> tuple[Spread, ...]:
        """Every record set that was asked for."""
        return tuple(
            Spread(
                seq=points[-1].seq,
                service=service,
                name=name,
                type=type,
                horizon=state.services[service].horizon.get(f"{name} {type}", 0.0),
                points=tuple(points),
                vantages=tuple(
                    VantageFact(
                        vantage=view.vantage,
                        role=view.role,
                        state=view.state,
                        answers=view.answers,
                        ttl=view.ttl,
                        flags=view.flags,
                        seq=self._seqs.get((service, name, type, view.role, view.vantage), 0),
                    )
                    for view in state.services[service].dns.values()
                    if (view.name, view.type) == (name, type)
                ),
            )
            for (service, name, type), points in self._points.items()
        )
