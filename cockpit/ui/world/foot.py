"""The foot of a panel: what else is not as it should be, the most urgent first."""

from __future__ import annotations

from cockpit.plan.model import Plan, Service
from cockpit.state import ServiceView
from cockpit.ui.paint import Line, Span, seconds, width_of
from cockpit.ui.world import aged
from cockpit.ui.world.figures import EXPIRING, bounds, tone


def extras(plan: Plan, service: Service, view: ServiceView, width: int, now: float) -> Line:
    """What else is to be seen of a service, the most urgent first, as many as fit: further meters, queues, tokens, old
    mailboxes, certificates, the comparison."""
    pieces = [
        *_tokens(view),
        *_certificates(view),
        *_queues(plan, service, view, now),
        *_meters(service, view),
        *_comparison(service, view, now),
        *_stragglers(service, view, now),
    ]
    line: Line = []
    for piece in sorted(pieces, key=_urgency):
        with_it: Line = [*line, *([(" · ", "dim")] if line else []), *piece]
        if width_of(with_it) <= width:
            line = with_it
    return line


def _urgency(piece: Line) -> int:
    styles = {style for _, style in piece}
    return 0 if "bad" in styles else 1 if "warn" in styles else 2


def _meters(service: Service, view: ServiceView) -> list[Line]:
    """Meters whose outage is not the first one's, and those whose own budget it is too much for."""
    planned = {meter.id: meter for meter in service.meters}
    first = bounds(view.down.lower, view.down.upper)
    pieces: list[Line] = []
    for name, down in view.meters.items():
        budget = planned[name].budget if name in planned else 0.0
        same = bounds(down.lower, down.upper) == first and not tone(down, budget)
        if not down.ongoing and (down.upper <= 0 or same):
            continue
        mark = "!" if budget and down.upper > budget else ""
        pieces.append([(f"{name} ", "dim"), (bounds(down.lower, down.upper) + mark, tone(down, budget))])
    return pieces


def _queues(plan: Plan, service: Service, view: ServiceView, now: float) -> list[Line]:
    pieces: list[Line] = []
    for queue in view.queues.values():
        old = aged.of_mail(service, queue.utc, now)
        role = plan.hosts[queue.host].role if queue.host in plan.hosts else "old"
        if queue.count < 0:
            pieces.append(aged.faded([(f"queue {queue.host} ?", "warn")], old))
        elif queue.count or role == "old":
            age = f" {seconds(queue.oldest)}" if queue.count else ""
            pieces.append(aged.faded([("queue ", "dim"), (f"{queue.host} {queue.count}", role), (age, "warn")], old))
    return pieces


TOKEN_SIGNS: dict[str, Span] = {
    "sent": ("…", "dim"),
    "arrived": ("✓", "good"),
    "refused": ("✗ refused", "bad"),
    "lost": ("✗ lost", "bad"),
}


def _tokens(view: ServiceView) -> list[Line]:
    if not view.tokens:
        return []
    line: Line = [("token", "dim")]
    for side in ("old", "new"):
        if side in view.tokens:
            token = view.tokens[side]
            line += [(f" {side} ", side), TOKEN_SIGNS[token.ended or token.state]]
    return [line]


def _certificates(view: ServiceView) -> list[Line]:
    shown = [(key, seen.certificate) for key, seen in view.health.items() if seen.certificate is not None]
    bad = [key for key, certificate in shown if certificate.problem]
    if bad:
        return [[(f"cert bad at {bad[0].rpartition('@')[2]}", "bad")]]
    days = min((certificate.days for _, certificate in shown), default=EXPIRING)
    return [[(f"cert {days:.0f} d left", "warn")]] if days < EXPIRING else []


def _comparison(service: Service, view: ServiceView, now: float) -> list[Line]:
    age = aged.of_comparison(service, view, now)
    if view.compare_troubles and not any(seen.differences for seen in view.compare.values()):
        return [[("list of URLs not whole", "warn")]]
    if not view.compare:
        return []
    differ = sum(bool(seen.differences) for seen in view.compare.values())
    missed = sum(not seen.same and not seen.differences for seen in view.compare.values())
    whole = max(view.compare_of, len(view.compare))
    if differ or missed:
        word = f"{differ}/{whole} URLs differ" if differ else f"{missed}/{whole} URLs not compared"
        return [aged.faded([(word, "warn")], age)]
    style = "good" if len(view.compare) >= whole else "dim"
    return [aged.faded([(f"{len(view.compare)}/{whole} URLs same", style)], age)]


def _stragglers(service: Service, view: ServiceView, now: float) -> list[Line]:
    """Mail that came to old all the same. While old is the one that is written to, what comes there is no straggler."""
    if view.writer == "old":
        return []
    since = sum(max(0, box.since - box.while_old) for box in view.stragglers.values())
    age = max((aged.of_mail(service, box.utc, now) for box in view.stragglers.values()), default=0.0)
    return [aged.faded([(f"{since} straggler{'s' if since > 1 else ''}", "warn")], age)] if since > 0 else []
