"""Evidence from access logs, mail queues, mailboxes and messages of our own. Pure."""

from __future__ import annotations

from cockpit.evidence.items import Item, Sum, allowed, side_of, span, stale
from cockpit.freshness import ROUNDS
from cockpit.plan.model import Service
from cockpit.state import RunState, ServiceView, TrafficView


def traffic(state: RunState, planned: Service, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """No real client came to old for long enough."""
    logs = [traffic for traffic in planned.traffic if side_of(state, traffic.host) == "old"]
    if not logs:
        return None
    found, unsure = Sum(), False
    for log in logs:
        view = seen.traffic.get(log.host)
        if view is None:
            found.lacks(f"the access log on {log.host} was not read yet")
            continue
        # A host's clock may be behind: what we counted ourselves, we know the time of. What could not be counted may have
        # been a client.
        came = max(view.last, view.heard)
        since = max(came, view.since, view.unsure)
        calm = f"quiet for {span(now - since)} of {span(log.quiet)}"
        found.says(f"{log.host} has had no client for {span(now - since)}")
        if view.unread or view.lost:
            unsure = True
            found.says(_uncounted(view))
        if now - view.utc > fresh:
            found.lacks(stale(f"the count on {log.host}", view.utc, now, fresh))
        elif view.trouble:
            found.lacks(f"the access log on {log.host} cannot be read: {view.trouble}")
        elif view.rate > 0:
            found.lacks(f"clients still come to {log.host}: {view.rate:g} a second")
        elif now - since < log.quiet:
            if since > came and view.unsure == since:
                why = f"{_uncounted(view)}, and may be of clients: {calm}"
            elif since > came:
                why = f"the access log on {log.host} was not counted for long enough: {calm}"
            else:
                why = f"clients still come to {log.host}: {calm}"
            found.lacks(why, since + log.quiet)
    return found.item("traffic", "estimate" if unsure else "proof")


def _uncounted(view: TrafficView) -> str:
    lines = f"{view.unread} lines of the log on {view.host} do not fit its format" if view.unread else ""
    lost = f"{view.host} has lost {view.lost} bytes of its log" if view.lost else ""
    return " and ".join(filter(None, (lines, lost)))


def queue(state: RunState, planned: Service, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """Old's mail queues are empty, and were for long enough."""
    mail = planned.mail
    queues = [queue for queue in mail.queues if side_of(state, queue.host) == "old"] if mail is not None else []
    if mail is None or not queues:
        return None
    found, limit = Sum(), allowed(fresh, mail.every)
    for queue in queues:
        view = seen.queues.get(f"{queue.host} {queue.mta}")
        if view is None or view.count < 0:
            found.lacks(f"the queue of {queue.mta} on {queue.host} cannot be read")
        elif view.count:
            why = f": {view.reason}" if view.reason else ""
            found.lacks(f"{view.count} messages wait on {queue.host}, the oldest for {span(view.oldest)}{why}")
        else:
            name = f"the queue on {queue.host}"
            _calm(found, f"{name} is empty for", name, view.utc, view.empty_since, mail.quiet, now, limit)
    return found.item("queue", "proof")


def stragglers(state: RunState, planned: Service, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """Nothing came to old's mailboxes for long enough."""
    mail = planned.mail
    boxes = [box for box in mail.stragglers if side_of(state, box.host) == "old"] if mail is not None else []
    if mail is None or not boxes:
        return None
    found, limit = Sum(), allowed(fresh, mail.every)
    for box in boxes:
        name = f"{box.host}:{box.path}"
        view = seen.stragglers.get(name)
        if view is None or view.count < 0:
            found.lacks(f"{name} cannot be read")
        else:
            _calm(found, f"{name} is quiet for", name, view.utc, view.quiet_since, mail.quiet, now, limit)
    return found.item("stragglers", "proof")


def _calm(found: Sum, words: str, name: str, utc: float, since: float, quiet: float, now: float, limit: float) -> None:
    """What was read at `utc` has been calm since an instant, and has to be for `quiet` seconds."""
    if why := stale(name, utc, now, limit):
        found.lacks(why)
        return
    found.says(f"{words} {span(now - since)}")
    if now - since < quiet:
        found.lacks(f"{words} {span(now - since)} of {span(quiet)}", since + quiet)


def token(planned: Service, seen: ServiceView, now: float) -> Item | None:
    """The last message of ours through old that is not on its way any more arrived on new."""
    token = planned.mail.token if planned.mail is not None else None
    if token is None or "old" not in token.through:
        return None
    view, found = seen.tokens.get("old"), Sum()
    if view is None or not view.ended:
        found.lacks("no message of ours came through old yet")
        return found.item("token", "proof")
    text = f"a message of ours through old is {view.ended}"
    found.says(text)
    if view.ended != "arrived":
        found.lacks(text)
    elif not view.proven:
        found.lacks(f"its way through old is not proven: {view.detail}")
    limit = (token.every + token.timeout) * ROUNDS
    found.lacks(stale("the last message of ours through old", view.ended_utc, now, limit))
    return found.item("token", "proof")
