"""What a watch knows after a resumption, from the state that the run left. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.events import Term
from cockpit.probes.dns.classify import declared
from cockpit.probes.dns.eras import NODATA, NXDOMAIN, Content, Era, History
from cockpit.probes.dns.horizon import TOLD
from cockpit.probes.dns.stages import Followed
from cockpit.state import DnsView, DnsWord, ServiceView

_SAID = frozenset({"new", "new-partial", "mixed", "old", "old-partial", "other", "nodata", "nxdomain"})


def seeds(before: ServiceView, record: Followed, *, parents: bool = False) -> dict[str, History]:
    """What each authority, or parent, published when it was last heard. If it has changed meanwhile, it did so by its next
    answer."""
    roles = {"parent"} if parents else {"primary", "authority"}
    found: dict[str, History] = {}
    for view in before.dns.values():
        if _of(view, record) and view.role in roles and (word := _word(view)) is not None:
            found[view.vantage] = History(eras=tuple(_eras(word, record)))
    return found


def stage_before(before: ServiceView, record: Followed) -> int:
    """The stage that was followed when an authority was heard last; 0 when none was."""
    heard = [view for view in before.dns.values() if _of(view, record) and view.role in {"primary", "authority"}]
    last = max(heard, key=lambda view: view.utc, default=None)
    return min(last.stage, len(record.stages)) - 1 if last is not None else 0


def _of(view: DnsView, record: Followed) -> bool:
    return (view.name, view.type) == (record.name, record.type)


def _word(view: DnsView) -> DnsWord | None:
    """The last answer that a cache would keep. A state of an older version holds the last answer only."""
    if view.word is not None or view.state not in _SAID or view.ttl < 0:
        return view.word
    return DnsWord(
        state=view.state, answers=view.answers, ttl=view.ttl, utc=view.utc, chain=view.chain, stage=view.stage
    )


def _eras(word: DnsWord, record: Followed) -> Iterator[Era]:
    """Each link of the chain with its own TTL, and what stands at the end. Older journals tell the smallest of them only."""
    names = (record.name.lower().rstrip("."), *word.chain)
    ttls = word.chain_ttls or (word.ttl,) * len(names)
    for name, target, ttl in zip(names, word.chain, ttls, strict=False):
        yield Era(name=name, content=(f"CNAME {target}",), ttl=ttl, link=True, first=word.utc, last=word.utc)
    if len(ttls) >= len(names):
        yield Era(name=names[-1], content=_content(word, record), ttl=ttls[-1], first=word.utc, last=word.utc)


def floors(before: ServiceView, record: Followed) -> tuple[Term, ...]:
    """The terms that held. What was an estimate while there was no horizon is made anew; what a resolver held beyond the
    horizon never counted."""
    key = f"{record.name} {record.type}"
    at = before.horizon.get(key, 0.0)
    terms = [term for term in before.terms.get(key, ()) if (term.at <= at if at else term.sure == "bound")]
    if at and not terms:
        terms = [Term(what=TOLD, at=at)]
    return tuple(terms)


def known_ttl(before: ServiceView, record: Followed) -> int:
    """The longest TTL that steps found before they changed the set, seconds; -1 for none."""
    ttls = [
        step.captured.get("ttl", "") for ref, step in before.steps.items() if ref in record.steps or not record.steps
    ]
    return max((int(ttl) for ttl in ttls if ttl.isdecimal()), default=-1)


def _content(view: DnsWord, record: Followed) -> Content:
    """What was served. Of a long set the state has a part only, so the declared one stands for it."""
    stage = record.stages[min(view.stage, len(record.stages)) - 1]
    if view.answers:
        values = {"new": stage.new, "old": stage.old}.get(view.state, view.answers)
        return tuple(sorted(declared(record.type, values)))
    return NXDOMAIN if view.state == "nxdomain" else NODATA
