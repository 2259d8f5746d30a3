"""Mail: queues with their age and reason, the way of our own message, and what still comes into old mailboxes."""

from __future__ import annotations

from functools import partial

from cockpit.plan.model import Plan, Service
from cockpit.state import QueueView, ServiceView, StragglersView, TokenView
from cockpit.ui.paint import Line, Span, seconds, when
from cockpit.ui.world import aged
from cockpit.ui.world.entry import Entry, facts, wrapped
from cockpit.ui.world.foot import TOKEN_SIGNS


def mail(plan: Plan, service: Service, view: ServiceView, now: float) -> list[Entry]:
    """Queues, tokens and old mailboxes."""
    quiet = service.mail.quiet if service.mail is not None else 0.0
    entries: list[Entry] = []
    for key, queue in view.queues.items():
        role = plan.hosts[queue.host].role if queue.host in plan.hosts else "other"
        line = aged.faded(_queue_line(queue, role, now), aged.of_mail(service, queue.utc, now))
        entries.append(Entry(f"queue {key}", "mail", line, partial(_queue, queue, quiet, now)))
    for side, token in view.tokens.items():
        entries.append(Entry(f"token {side}", "mail", _token_line(side, token), partial(_token, side, token)))
    for key, box in view.stragglers.items():
        line = aged.faded(_box_line(box), aged.of_mail(service, box.utc, now))
        entries.append(Entry(f"box {key}", "mail", line, partial(_box, box, quiet, now)))
    return entries


def _queue_line(queue: QueueView, role: str, now: float) -> Line:
    style = role if role in {"old", "new"} else ""
    line: Line = [("queue ", "dim"), (f"{queue.host} ", style), (f"{queue.mta} ", "dim")]
    if queue.count < 0:
        return [("? ", "warn"), *line, ("cannot be read", "warn")]
    if queue.count:
        return [("◷ ", "warn"), *line, (f"{queue.count}", "warn"), (f"  oldest {seconds(queue.oldest)}", "dim")]
    return [("✓ ", "good"), *line, (f"empty for {seconds(max(0.0, now - queue.empty_since))}", "good")]


def _queue(queue: QueueView, quiet: float, now: float, width: int) -> list[Line]:
    lines: list[Line] = [[(f" queue of {queue.mta} on {queue.host}", "title")]]
    if queue.count < 0:
        return lines + wrapped(queue.reason or "it could not be read: nobody knows what waits in it", width, "warn")
    pairs = [("messages", f"{queue.count}"), ("seen", f"{when(queue.utc)}, {seconds(max(0.0, now - queue.utc))} ago")]
    if queue.count:
        pairs += [("oldest", f"{seconds(queue.oldest)} old"), ("it waits because", queue.reason)]
        return lines + facts(pairs, width)
    empty = max(0.0, now - queue.empty_since)
    pairs.append(("empty since", f"{when(queue.empty_since)}, for {seconds(empty)}"))
    lines += facts(pairs, width)
    if quiet and empty < quiet:
        lines += wrapped(
            f"It counts once it has stayed empty for {seconds(quiet)}: {seconds(quiet - empty)} left.", width
        )
    return lines


def _token_line(side: str, token: TokenView) -> Line:
    sign: Span = TOKEN_SIGNS[token.ended or token.state]
    said = f"arrived in {seconds(token.took)}" if token.state == "arrived" else f"{token.state} {token.detail}".strip()
    if token.state == "sent" and token.ended:
        said = f"the last one {token.ended}, the next is on its way"
    return [
        (sign[0].partition(" ")[0], sign[1]),
        (" token through ", "dim"),
        (f"{side} ", side),
        (said, "bad" if sign[1] == "bad" else "dim"),
        (f"  {token.lost} lost" if token.lost else "", "bad"),
    ]


def _token(side: str, token: TokenView, width: int) -> list[Line]:
    sign = TOKEN_SIGNS[token.state]
    ended = f"{token.ended}, {when(token.ended_utc)}" if token.ended else ""
    lines: list[Line] = [
        [(f" our message through {side}  ", "title"), (f"{sign[0].partition(' ')[0]} {token.state}", sign[1])]
    ]
    lines += wrapped(token.detail, width, "bad" if token.state in {"lost", "refused"} else "")
    pairs = [
        ("token", token.token),
        ("took", seconds(token.took) if token.took else ""),
        ("the last that ended", ended),
        ("so far", f"{token.arrived} arrived, {token.lost} lost or refused"),
        ("last news", when(token.utc)),
    ]
    lines += facts(pairs, width)
    if token.path:
        lines.append([("── its way, by its Received lines ", "frame")])
        for hop, host in enumerate(reversed(token.path), 1):
            lines.append([(f" {hop:>2} ", "dim"), ("→ " if hop > 1 else "  ", "dim"), (host, "")])
    return lines


def _box_line(box: StragglersView) -> Line:
    line: Line = [(" mailbox ", "dim"), (f"{box.host}:{box.path} ", "old")]
    if box.count < 0:
        return [("?", "warn"), *line, ("cannot be read", "warn")]
    style = "warn" if box.since else "good"
    return [
        ("◷" if box.since else "✓", style),
        *line,
        (f"{box.since} since the start", style),
        (f" of {box.count}", "dim"),
    ]


def _box(box: StragglersView, quiet: float, now: float, width: int) -> list[Line]:
    lines: list[Line] = [[(f" old mailbox {box.host}:{box.path}", "title")]]
    if box.count < 0:
        why = f": {box.detail}" if box.detail else ""
        return lines + wrapped(f"It could not be read{why}. Nobody knows what still comes into it.", width, "warn")
    calm = max(0.0, now - box.quiet_since)
    pairs = [
        ("messages", f"{box.count}, {box.since} of them since the run began"),
        ("newest", f"{when(box.newest)}, {seconds(max(0.0, now - box.newest))} ago" if box.newest else "none"),
        ("quiet since", f"{when(box.quiet_since)}, for {seconds(calm)}"),
    ]
    lines += facts(pairs, width)
    if quiet and calm < quiet:
        lines += wrapped(f"It counts once nothing has come for {seconds(quiet)}: {seconds(quiet - calm)} left.", width)
    return lines
