"""What the events of probes do to the state of a service."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.freshness import FRESH
from cockpit.reduce.mail import of_mail
from cockpit.reduce.notable import notable
from cockpit.reduce.tell import tell
from cockpit.state import (
    PAST,
    RING,
    CompareView,
    CurvePoint,
    DnsView,
    DnsWord,
    DownView,
    HealthView,
    Past,
    RunState,
    ServiceView,
    TrafficView,
)

WRONG = frozenset({"stale", "bogus"})
"""Flags of an answer that does not count, whatever it says."""

WorldEvent = (
    ev.HealthSeen
    | ev.CompareSeen
    | ev.WriterSeen
    | ev.DowntimeSeen
    | ev.BudgetAlarm
    | ev.DnsSeen
    | ev.HorizonSeen
    | ev.QueueSeen
    | ev.TokenSeen
    | ev.StragglersSeen
    | ev.TrafficSeen
    | ev.ServiceAdvancing
    | ev.LossDeclared
)


def of_world(state: RunState, record: ev.Record, event: WorldEvent) -> RunState:
    """The state after a probe saw something of a service, or of the night as a whole."""
    if isinstance(event, ev.BudgetAlarm):
        return tell(state, record, "", "alarm", _spent(event))
    if isinstance(event, ev.DowntimeSeen) and not event.service:
        return replace(state, down=_down(event))
    service = state.services.get(event.service)
    if service is None:
        return state
    state, service = notable(state, service, record, event)
    match event:
        case ev.HealthSeen():
            key = f"{event.probe}@{event.at}"
            known = service.health.get(key, event) if event.same else event
            seen = HealthView(
                ok=event.ok,
                ms=event.ms,
                status=event.status,
                detail=event.detail,
                via=event.via,
                bridged=event.bridged,
                utc=record.utc,
                proto=event.proto,
                row=event.row,
                facts=known.facts,
                certificate=known.certificate,
            )
            service = replace(service, health=service.health | {key: seen})
        case ev.CompareSeen():
            service = _compared(service, record, event)
        case ev.WriterSeen():
            service = _writer(service, record, event)
        case ev.DowntimeSeen():
            if event.meter:
                service = replace(service, meters=service.meters | {event.meter: _down(event)})
            else:
                service = replace(service, down=_down(event))
        case ev.DnsSeen():
            service = _dns(service, record, event)
        case ev.HorizonSeen():
            key = f"{event.name} {event.type}"
            service = replace(
                service,
                horizon=service.horizon | {key: event.at},
                terms=service.terms | {key: event.terms},
            )
        case ev.QueueSeen() | ev.TokenSeen() | ev.StragglersSeen():
            service = of_mail(state.plan, service, record, event)
        case ev.TrafficSeen():
            service = _traffic(service, record, event)
        case ev.ServiceAdvancing():
            service = replace(service, advancing=event.on)
        case ev.LossDeclared():
            service = replace(service, losses_declared=event.writes)
            state = tell(state, record, "", "loss declared", f"{event.service}: {event.writes} writes")
    return replace(state, services=state.services | {service.id: service})


def _spent(event: ev.BudgetAlarm) -> str:
    whose = " ".join(word for word in (event.service or "the night", event.meter) if word)
    how = "is spent" if event.share >= 1 else f"is spent to {event.share:.0%}"
    return f"downtime of {whose}: the budget {how}, up to {event.upper:.1f} s of {event.budget:g} s"


def _down(event: ev.DowntimeSeen) -> DownView:
    return DownView(
        lower=event.lower,
        upper=event.upper,
        ongoing=event.ongoing,
        failed=event.failed,
        stalled=event.stalled,
        samples=event.samples,
        what=event.what,
        missed=event.missed,
        known=event.known,
    )


def _writer(service: ServiceView, record: ev.Record, event: ev.WriterSeen) -> ServiceView:
    before = event.writer if service.writer_before == "unknown" else service.writer_before
    return replace(
        service,
        writer=event.writer,
        writer_before=before,
        left_old=record.utc if service.writer == "old" != event.writer else service.left_old,
        writer_detail=event.detail,
        writer_utc=record.utc,
        writes=event.writes if event.writes >= 0 else service.writes,
    )


def _compared(service: ServiceView, record: ev.Record, event: ev.CompareSeen) -> ServiceView:
    seen = CompareView(
        same=event.same,
        differences=event.differences,
        alike=event.alike,
        old_ms=event.old_ms,
        new_ms=event.new_ms,
        detail=event.detail,
        utc=record.utc,
        round=event.round,
    )
    if event.trouble:
        # Troubles are what a round begins with: those of the round before are over.
        troubles = {what: view for what, view in service.compare_troubles.items() if view.round >= event.round}
        return replace(service, compare_troubles=troubles | {event.url: seen}, compare_of=event.of)
    compare, troubles = service.compare | {event.url: seen}, service.compare_troubles
    of_round = {url: view for url, view in compare.items() if view.round == event.round}
    if event.round and len(of_round) >= event.of:
        compare = of_round
        troubles = {what: view for what, view in troubles.items() if view.round >= event.round}
    return replace(service, compare=compare, compare_of=event.of, compare_troubles=troubles)


def _dns(service: ServiceView, record: ev.Record, event: ev.DnsSeen) -> ServiceView:
    # One server may be an authority, the parent and a resolver at once.
    key = f"{event.name} {event.type} {event.role} {event.vantage}"
    before = service.dns.get(key)
    if event.gone:
        left = {other: view for other, view in service.dns.items() if other != key}
        return _curved(replace(service, dns=left), record.utc)
    seen = DnsView(
        service=event.service,
        name=event.name,
        type=event.type,
        vantage=event.vantage,
        role=event.role,
        state=event.state,
        answers=event.answers,
        ttl=event.ttl,
        serial=event.serial,
        flags=event.flags,
        utc=record.utc,
        ms=event.ms,
        samples=event.samples,
        moved=event.moved,
        errors=event.errors,
        chain=event.chain,
        detail=event.detail,
        past=_past(before, record.utc, event),
        stage=event.stage,
        stages=event.stages,
        word=_word(before, record.utc, event),
    )
    service = replace(service, dns=service.dns | {key: seen})
    if before is not None and _counted(before) == _counted(seen):
        return service
    return _curved(service, record.utc)


def _counted(view: DnsView) -> tuple[object, ...]:
    """What the figures look at."""
    return view.state, view.moved, view.stage, view.stages, WRONG.isdisjoint(view.flags)


def _past(before: DnsView | None, utc: float, event: ev.DnsSeen) -> tuple[Past, ...]:
    """The vantage's changes and this one, if it is one. The first look stays, of the others the newest."""
    now = Past(utc=utc, state=event.state, wrong=not WRONG.isdisjoint(event.flags))
    past = before.past if before is not None else ()
    if past and replace(past[-1], utc=utc) == now:
        return past
    return (*past, now) if len(past) < PAST else (past[0], *past[2:], now)


def _curved(service: ServiceView, utc: float) -> ServiceView:
    """One more point of the curve, where it differs from the last; every second one of the older half goes when it is long."""
    figures = propagation(service)
    point = CurvePoint(utc=utc, authorities=figures[0], caches=figures[1], traffic=traffic_share(service, utc))
    curve = service.curve
    if curve and replace(curve[-1], utc=utc) == point:
        return service
    if len(curve) >= 2 * RING:
        curve = (*curve[:RING:2], *curve[RING:])
    return replace(service, curve=(*curve, point))


def _word(before: DnsView | None, utc: float, event: ev.DnsSeen) -> DnsWord | None:
    """What a vantage said last that a cache would keep: a failure after it takes nothing back."""
    if event.role == "resolver":
        return None
    if not event.chain_ttls and (event.ttl < 0 or event.state in {"servfail", "refused", "lame", "timeout"}):
        return before.word if before is not None else None
    return DnsWord(
        state=event.state,
        answers=event.answers,
        ttl=event.ttl,
        utc=utc,
        chain=event.chain,
        chain_ttls=event.chain_ttls,
        stage=event.stage,
    )


def propagation(service: ServiceView, key: str = "") -> tuple[tuple[int, int], tuple[int, int]]:
    """(with the new answer, all) of the authorities, and of the sampled caches. What is stale or bogus never counts as
    moved, nor does the new answer of a change after which another one is declared.
    `key` (`name type`) looks at one record set only."""
    answers = [view for view in service.dns.values() if not key or f"{view.name} {view.type}" == key]
    authorities = [view for view in answers if view.role in {"primary", "authority"}]
    caches = [view for view in answers if view.role == "resolver"]
    return (
        (sum(_moved(view) for view in authorities), len(authorities)),
        (sum(_moved(view) and WRONG.isdisjoint(view.flags) for view in caches), len(caches)),
    )


def _moved(view: DnsView) -> bool:
    return view.state == "new" and view.stage == view.stages


def traffic_share(service: ServiceView, now: float) -> float:
    """The share of real clients' requests that new gets at `now`, 0 to 1; -1 while a side is not counted, a count is older than
    `FRESH`, or there are no requests."""
    rates = {"old": 0.0, "new": 0.0}
    views = service.traffic.values()
    if {view.side for view in views} != set(rates) or any(now - view.utc > FRESH for view in views):
        return -1.0
    for view in views:
        rates[view.side] += view.rate
    whole = rates["old"] + rates["new"]
    return rates["new"] / whole if whole > 0 else -1.0


def _traffic(service: ServiceView, record: ev.Record, event: ev.TrafficSeen) -> ServiceView:
    before = service.traffic.get(event.host)
    clients, unread, lost = (before.total, before.unread, before.lost) if before is not None else (0, 0, 0)
    heard, unsure = (before.heard, before.unsure) if before is not None else (0.0, 0.0)
    view = TrafficView(
        host=event.host,
        side=event.side,
        rate=event.rate,
        probes=event.probes,
        total=event.total,
        last=event.last,
        heard=record.utc if event.total > clients else heard,
        unread=event.unread,
        lost=event.lost,
        unsure=record.utc if event.unread > unread or event.lost > lost else unsure,
        example=event.example,
        marks=event.marks,
        trouble=event.trouble,
        since=before.since if before is not None and not event.trouble and event.lost == lost else record.utc,
        utc=record.utc,
        rates=(*(before.rates[-PAST + 1 :] if before is not None else ()), event.rate),
    )
    service = replace(service, traffic=service.traffic | {event.host: view})
    share = traffic_share(service, record.utc)
    known = service.curve[-1].traffic if service.curve else -2.0
    return _curved(service, record.utc) if abs(share - known) >= 0.05 else service
