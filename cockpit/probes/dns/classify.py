"""What an answer means for a change from one declared set to another. Pure."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from cockpit.events import DnsClass
from cockpit.probes.dns.answer import Answer, normal
from cockpit.probes.dns.eras import NODATA, NXDOMAIN, Content, Published
from cockpit.text import harmless

WORST: tuple[DnsClass, ...] = (
    "old", "mixed", "old-partial", "other", "nxdomain", "nodata", "servfail", "refused", "lame", "timeout", "new-partial", "new",
)  # fmt: skip
"""What several samples of one resolver come to: the first of these that any of them said."""

OLDISH: frozenset[str] = frozenset({"old", "old-partial", "mixed"})
"""Classes in which something of the old set is served."""


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
    if not have and answer.chain and answer.negative_ttl < 0:
        return "other"
    if not have:
        return _nothing(old, new) or "nodata"
    olds, news = declared(answer.type, old), declared(answer.type, new)
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


@functools.lru_cache(maxsize=8192)
def declared(type: str, values: tuple[str, ...]) -> frozenset[str]:
    """A plan's values, normalised. Every answer is compared with them."""
    return frozenset(normal(type, value) for value in values)


def _nothing(old: tuple[str, ...], new: tuple[str, ...]) -> DnsClass | None:
    """No record at all is what a change from, or to, an empty set expects."""
    if not new:
        return "new"
    return None if old else "old"


def worst(states: Sequence[DnsClass]) -> DnsClass:
    """The class of several samples. What did not answer counts only where nothing did. Raises ValueError without any."""
    return min([state for state in states if state != "timeout"] or states, key=WORST.index)


def published(answer: Answer, name: str, *, authority: bool) -> dict[str, Published] | None:
    """What the answer says of each name on its way, as caches keep it; None when there is nothing that they would keep: no
    answer, a failure, a refusal, or an answer without authority (RFC 2181 §5.4.1)."""
    if answer.rcode not in {"NOERROR", "NXDOMAIN"} or (authority and not answer.authoritative):
        return None
    said = {link.name: Published((f"CNAME {link.target}",), link.ttl, True) for link in answer.chain}
    end = answer.chain[-1].target if answer.chain else name.lower().rstrip(".")
    if answer.values:
        said[end] = Published(answer.values, max(answer.record_ttl, 0))
    elif answer.negative_ttl >= 0 or not answer.chain:
        content = NXDOMAIN if answer.rcode == "NXDOMAIN" else NODATA
        said[end] = Published(content, max(answer.negative_ttl, 0))
    return said


def content_of(answer: Answer) -> Content:
    """The content at the end of an answer's way."""
    return answer.values or (NXDOMAIN if answer.rcode == "NXDOMAIN" else NODATA)


def why(answer: Answer) -> str:
    """Why there is no answer, or why it ends nowhere; '' when it says all."""
    if answer.trouble:
        return harmless(answer.trouble, 200)
    if answer.chain and not answer.values and answer.negative_ttl < 0:
        return f"the chain leads to {harmless(answer.chain[-1].target, 255)}, of which this server says nothing"
    return ""
