"""What queues, messages of our own and old mailboxes do to the state of a service."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.plan.model import Plan
from cockpit.plan.watched import Mail
from cockpit.state import QueueView, ServiceView, StragglersView, TokenView

GAP = 30.0
"""Seconds without a reading that are no gap, however short the plan's interval is."""

MailEvent = ev.QueueSeen | ev.TokenSeen | ev.StragglersSeen


def of_mail(plan: Plan | None, service: ServiceView, record: ev.Record, event: MailEvent) -> ServiceView:
    """The service after something was seen of its mail."""
    match event:
        case ev.QueueSeen():
            key = f"{event.host} {event.mta}"
            queue = _queue(service.queues.get(key), record.utc, event, _patience(plan, service.id))
            return replace(service, queues=service.queues | {key: queue})
        case ev.TokenSeen():
            return replace(service, tokens=service.tokens | {event.through: _token(service, record.utc, event)})
        case ev.StragglersSeen():
            key = f"{event.host}:{event.path}"
            box = _stragglers(service, key, record.utc, event, _patience(plan, service.id))
            return replace(service, stragglers=service.stragglers | {key: box})


def _patience(plan: Plan | None, service: str) -> float:
    """Seconds between two readings after which nothing is known of the time between them."""
    mail: Mail | None = None
    if plan is not None:
        mail = next((item.mail for item in plan.services if item.id == service), None)
    mail = mail or Mail()
    return max(GAP, 3 * mail.every + mail.timeout)


def _queue(before: QueueView | None, utc: float, event: ev.QueueSeen, patience: float) -> QueueView:
    # A queue that nobody read may have held anything: emptiness counts from the reading after.
    unbroken = before is not None and before.empty_since > 0 and utc - before.utc <= patience
    since = before.empty_since if unbroken and before is not None else utc
    return QueueView(
        host=event.host,
        mta=event.mta,
        count=event.count,
        oldest=event.oldest,
        reason=event.reason,
        empty_since=since if event.count == 0 else 0.0,
        utc=utc,
    )


def _token(service: ServiceView, utc: float, event: ev.TokenSeen) -> TokenView:
    before = service.tokens.get(event.through)
    arrived = (before.arrived if before is not None else 0) + (event.state == "arrived")
    lost = (before.lost if before is not None else 0) + (event.state in {"lost", "refused"})
    # While the next one is on its way, the last one that came out is what is known.
    ended, ended_utc = (before.ended, before.ended_utc) if before is not None else ("", 0.0)
    proven = before.proven if before is not None else True
    if event.state != "sent":
        ended, ended_utc, proven = event.state, utc, event.proven
    return TokenView(
        token=event.token,
        state=event.state,
        took=event.took,
        path=event.path,
        detail=event.detail,
        arrived=arrived,
        lost=lost,
        ended=ended,
        ended_utc=ended_utc,
        proven=proven,
        utc=utc,
    )


def _stragglers(
    service: ServiceView, key: str, utc: float, event: ev.StragglersSeen, patience: float
) -> StragglersView:
    before = service.stragglers.get(key)
    read = before is not None and before.count >= 0 and event.count >= 0 and utc - before.utc <= patience
    # What is taken out of a mailbox is no mail that came.
    quiet = read and before is not None and event.since <= before.since and event.newest <= before.newest
    # Between the last reading and the end of old's time mail may still have come by right: the newest one's time tells.
    by_right = service.writer == "old" or 0 < event.newest <= service.left_old
    return StragglersView(
        host=event.host,
        path=event.path,
        count=event.count,
        since=event.since,
        while_old=event.since if by_right else before.while_old if before is not None else 0,
        newest=event.newest,
        quiet_since=before.quiet_since if quiet and before is not None else utc,
        detail=event.detail,
        utc=utc,
    )
