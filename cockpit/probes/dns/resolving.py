"""What an answer of a resolver gives away besides its class: that it is stale, stretched, late or not authentic. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cockpit.events import DnsClass
from cockpit.probes.dns.answer import Answer
from cockpit.probes.dns.classify import OLDISH, content_of
from cockpit.probes.dns.eras import GRAIN, Content, History
from cockpit.probes.dns.horizon import Horizon, first_seen, longest_ttl, was_old

STALE_ERRORS = frozenset({3, 19})
"""Extended errors 'Stale Answer' and 'Stale NXDOMAIN Answer' (RFC 8914 §4.4, §4.20)."""

STEADY = 4.0
"""Seconds for which a TTL that does not fall is no chance."""
EQUAL = 3
"""Answers of as many rounds that have to agree on it."""


class Standing(msgspec.Struct, frozen=True):
    """What a resolver repeats. `since` and `last` are when it gave this TTL first and last, `expires` when by its first answer
    with this content it lets go (UTC). `renewed` once it has asked again since. `times` is in how many rounds one after the other
    it gave this TTL."""

    content: Content
    ttl: int
    since: float
    last: float
    expires: float
    renewed: bool = False
    times: int = 1


class Known(msgspec.Struct, frozen=True):
    """What the authorities say at the moment."""

    histories: Mapping[str, History]
    news: frozenset[Content]
    horizon: Horizon
    began: float = 0.0
    """UTC since which they are asked."""
    moved: float = 0.0
    """UTC since which the primary serves new, 0 while it does not."""


def remaining(answer: Answer) -> int:
    """The TTL that an answer still has, seconds; of a negative one by its SOA (RFC 2308 §5)."""
    return answer.ttl if answer.values else answer.negative_ttl


def standing(before: Standing | None, answer: Answer, now: float) -> Standing:
    """The same with one more answer. A TTL that comes again before it could have run out was not counted down."""
    content, ttl = content_of(answer), remaining(answer)
    if before is None or before.content != content:
        return Standing(content, ttl, now, now, now + ttl)
    same = before.ttl == ttl and now - before.last < ttl
    return Standing(
        content,
        ttl,
        before.since if same else now,
        now,
        min(before.expires, now + ttl),
        before.renewed or now + ttl > before.expires + 2 * GRAIN,
        before.times + 1 if same else 1,
    )


def flags_of(answer: Answer, state: DnsClass, known: Known, still: Standing | None, now: float) -> set[str]:
    """`stale`, `clamped`, `upstream-lag`, `authentic` of one answer."""
    flags: set[str] = set()
    if answer.authentic:
        flags.add("authentic")
    if STALE_ERRORS & set(answer.errors):
        flags.add("stale")
    if answer.rcode not in {"NOERROR", "NXDOMAIN"}:
        return flags
    content, ttl = content_of(answer), remaining(answer)
    is_old = state in OLDISH or was_old(known.histories, content, known.news)
    past = 0 < known.horizon.at < now
    if is_old and past:
        flags.add("stale")
    if _stretched(answer, content, known, still):
        flags.add("clamped")
    if is_old and ttl >= 0:
        if 0 < known.horizon.at < now + ttl - GRAIN:
            flags.add("clamped")
        elif _fetched_late(content, ttl, known, now):
            flags.add("upstream-lag")
    return flags


def _stretched(answer: Answer, content: Content, known: Known, still: Standing | None) -> bool:
    """A TTL longer than was published since we look, or one that does not fall. What a cache took before we looked may have
    been published with a longer TTL."""
    top = longest_ttl(known.histories, content)
    if top < 0:
        return False
    ours = (still is not None and still.renewed) or first_seen(known.histories, content) > known.began + GRAIN
    own = answer.record_ttl if answer.values else answer.negative_ttl
    links = ((link.ttl, longest_ttl(known.histories, (f"CNAME {link.target}",))) for link in answer.chain)
    if ours and any(ttl > most >= 0 for ttl, most in ((own, top), *links)):
        return True
    if still is None or answer.chain or still.times < EQUAL:
        return False
    return still.ttl < top and still.last - still.since >= STEADY


def _fetched_late(content: Content, ttl: int, known: Known, now: float) -> bool:
    """Old, and by its TTL fetched after the primary had changed, while some authority still serves old."""
    full = longest_ttl(known.histories, content)
    return known.horizon.at == 0 and 0 < known.moved < now - (full - ttl) - GRAIN and full >= ttl
