"""When no honest cache can hold an old answer any more, from what was published. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from cockpit.events import Term
from cockpit.probes.dns.eras import GRAIN, NODATA, NXDOMAIN, Content, Era, History

MOST_TERMS = 32
TOLD = "told before"
"""The words of a term that stands for all that a horizon was made of before a resumption."""


class Horizon(msgspec.Struct, frozen=True):
    """`at` is UTC, 0 while a server still publishes old. `terms` are all that hold old answers, the last to end first."""

    at: float = 0.0
    terms: tuple[Term, ...] = ()


def news_of(new: Iterable[str]) -> frozenset[Content]:
    """The contents that are new: the declared set, normalised; nothing at all where it is empty."""
    values = tuple(sorted(set(new)))
    return frozenset({values}) if values else frozenset({NXDOMAIN, NODATA})


def horizon(
    histories: Mapping[str, History], news: frozenset[Content], *, known: int = -1, floors: tuple[Term, ...] = ()
) -> Horizon:
    """The horizon of what servers published; `histories` by what a server is called. Where nobody was heard to publish new there
    is none: a server that says nothing has not changed, it may be we who are cut off.

    `known` is the longest TTL of the old set that is known from elsewhere, seconds, -1 for none. `floors` are terms that were
    told before a resumption."""
    terms = list(floors)
    going_on = not any(history.end is not None and history.end.content in news for history in histories.values())
    longest = max((known, *(_longest(history, news) for history in histories.values())))
    for server, history in histories.items():
        ended = _ended(history, news)
        terms += [Term(what=_words(server, era), at=era.until) for era in ended]
        end = history.end
        if end is not None and end.content in news:
            if not ended and not any(_is_of(term, server) for term in floors):
                terms.append(_before_we_looked(server, end, longest))
        elif history.silent and (history.eras or longest >= 0):
            terms.append(_silent(server, history, longest))
        else:
            going_on = True
    terms = _latest(terms)
    return Horizon(0.0 if going_on else max((term.at for term in terms), default=0.0), tuple(terms))


def was_old(histories: Mapping[str, History], content: Content, news: frozenset[Content]) -> bool:
    """Whether a server published this content, and it is not new."""
    return content not in news and any(
        era.content == content for history in histories.values() for era in history.eras if not era.link
    )


def longest_ttl(histories: Mapping[str, History], content: Content) -> int:
    """The longest TTL with which any server published this content; -1 where none did."""
    eras = (era for history in histories.values() for era in history.eras)
    return max((era.ttl for era in eras if era.content == content), default=-1)


def first_seen(histories: Mapping[str, History], content: Content) -> float:
    """When any server was first seen to publish this content (UTC); 0 when none was."""
    eras = (era for history in histories.values() for era in history.eras)
    return min((era.first for era in eras if era.content == content), default=0.0)


def _ended(history: History, news: frozenset[Content]) -> list[Era]:
    """The ended eras that led to an old answer: what stood at the end and is not new, and links that are not today's."""
    end = history.end
    arrived = end is not None and end.content in news
    today = {era.name: era.content for era in history.now} if arrived else {}
    return [
        era
        for era in history.eras
        if era.ended and (era.content != today.get(era.name) if era.link else era.content not in news)
    ]


def _longest(history: History, news: frozenset[Content]) -> int:
    return max((era.ttl for era in history.eras if era.link or era.content not in news), default=-1)


def _before_we_looked(server: str, end: Era, longest: int) -> Term:
    """It had changed when it was first asked: what it published before can only be taken from others."""
    ttl = longest if longest >= 0 else end.ttl
    why = "as was known" if longest >= 0 else "as it has now"
    return Term(what=f"{server}: new when first asked, TTL {ttl} {why}", at=end.first + ttl + GRAIN, sure="estimate")


def _is_of(term: Term, server: str) -> bool:
    """Whether a term that was told before is this server's, or of all of them."""
    return term.what == TOLD or term.what.startswith(f"{server}: ")


def _silent(server: str, history: History, longest: int) -> Term:
    """It may still publish old to others."""
    ttl = max((longest, 0, *(era.ttl for era in history.now)))
    what = (
        f"{server}: says nothing, TTL {ttl} until then" if history.eras else f"{server}: has never answered, TTL {ttl}"
    )
    return Term(what=what, at=history.silent + ttl + GRAIN, sure="estimate")


def _words(server: str, era: Era) -> str:
    if era.link:
        return f"{server}: {era.name} {era.content[0]}, TTL {era.ttl}"
    if era.content == NXDOMAIN:
        return f"{server}: no such name, TTL {era.ttl}"
    if era.content == NODATA:
        return f"{server}: no such record, TTL {era.ttl}"
    return f"{server}: old, TTL {era.ttl}"


def _latest(terms: list[Term]) -> list[Term]:
    """One term of each kind, the one that ends last."""
    best: dict[str, Term] = {}
    for term in terms:
        if term.what not in best or best[term.what].at < term.at:
            best[term.what] = term
    return sorted(best.values(), key=lambda term: -term.at)[:MOST_TERMS]
