"""What an answer means for a change from one declared set to another. Pure."""

from __future__ import annotations

from cockpit.events import DnsClass
from cockpit.probes.resolve import Answer, normal


def classify(answer: Answer, old: tuple[str, ...], new: tuple[str, ...], *, authority: bool) -> DnsClass:
    """The class of one answer. A member of both sets says nothing of either."""
    if not answer.rcode:
        return "timeout"
    match answer.rcode:
        case "SERVFAIL":
            return "servfail"
        case "REFUSED":
            return "refused"
        case "NXDOMAIN":
            return _nothing(old, new) or "nxdomain"
        case "NOERROR":
            pass
        case _:
            return "other"
    if authority and not answer.authoritative:
        return "lame"
    have = set(answer.values)
    if not have:
        return _nothing(old, new) or "nodata"
    olds = {normal(answer.type, value) for value in old}
    news = {normal(answer.type, value) for value in new}
    if have == news:
        return "new"
    if have == olds:
        return "old"
    if have - olds - news:
        return "other"
    if not have <= olds:
        return "new-partial" if have <= news else "mixed"
    if not have <= news:
        return "old-partial"
    return "mixed"


def _nothing(old: tuple[str, ...], new: tuple[str, ...]) -> DnsClass | None:
    """No record at all is what a change from, or to, an empty set expects."""
    if not new:
        return "new"
    return None if old else "old"
