"""What a name server has published, era by era. Pure.

An era is the time for which one server published one content of one name with one TTL. Where an era has ended, a cache that
asked in its last moment holds its content for the whole TTL: that is all that a horizon is made of. A change of the TTL alone
ends an era too, so a TTL that was lowered shortly before a change still counts from when it was last published.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

Content = tuple[str, ...]
"""The values of a record set, sorted and normalised; `("CNAME target",)` for a link; `NXDOMAIN` or `NODATA` for nothing."""

NXDOMAIN: Content = ("NXDOMAIN",)
NODATA: Content = ("NODATA",)

GRAIN = 1.0
"""TTLs are whole seconds (RFC 1035 §3.2.1), and caches that count in whole seconds keep an answer up to one second longer."""

MOST = 32
"""Ended eras kept of one server; a server that publishes something else each time costs no more."""


class Published(msgspec.Struct, frozen=True):
    """What an answer says of one name. `ttl` in seconds; of a negative answer RFC 2308 §5's. A `link` leads to another name."""

    content: Content
    ttl: int
    link: bool = False


class Era(msgspec.Struct, frozen=True, kw_only=True):
    """`first` and `last` are when it was seen first and last (UTC). `ended` is the upper bound of when it was last served: the
    arrival of the first answer that says something else; 0 while it goes on."""

    name: str
    content: Content
    ttl: int
    link: bool = False
    first: float
    last: float
    ended: float = 0.0

    @property
    def until(self) -> float:
        """UTC until which an honest cache can hold it; 0 while it goes on, for then there is no end."""
        return self.ended + self.ttl + GRAIN if self.ended else 0.0

    def same(self, said: Published | None) -> bool:
        """Whether an answer says that this era goes on."""
        return said is not None and (said.content, said.ttl) == (self.content, self.ttl)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What one server has published. `silent` is since when it says nothing that a cache would keep (UTC), 0 while it does."""

    eras: tuple[Era, ...] = ()
    silent: float = 0.0

    @property
    def now(self) -> tuple[Era, ...]:
        """The eras that go on: the links of a chain, and what stands at its end."""
        return tuple(era for era in self.eras if not era.ended)

    @property
    def end(self) -> Era | None:
        """The era at the end of the chain; None where nothing is known, or the chain leads away from this server."""
        return next((era for era in self.now if not era.link), None)


def seen(history: History, said: Mapping[str, Published], answered: float) -> History:
    """The history after an answer that arrived at `answered` (UTC) and says this of each name on its way.

    A name that is no longer on the way was left because a link above it changed, and that link's era bounds it."""
    eras: list[Era] = []
    known: set[str] = set()
    for era in history.eras:
        if era.ended:
            eras.append(era)
        elif era.same(said.get(era.name)):
            known.add(era.name)
            eras.append(replace(era, last=answered))
        elif era.name in said:
            eras.append(replace(era, ended=answered))
    eras += [
        Era(name=name, content=one.content, ttl=one.ttl, link=one.link, first=answered, last=answered)
        for name, one in said.items()
        if name not in known
    ]
    return History(eras=_bounded(eras))


def unheard(history: History, at: float) -> History:
    """The history after a question at `at` (UTC) brought nothing that a cache would keep."""
    return history if history.silent else replace(history, silent=at)


def _bounded(eras: list[Era]) -> tuple[Era, ...]:
    """Of the same content only the era that holds longest counts; of too many, those that hold longest."""
    if len(eras) <= MOST:
        return tuple(eras)
    best: dict[tuple[str, Content], Era] = {}
    for era in eras:
        key = (era.name, era.content)
        if era.ended and (key not in best or best[key].until < era.until):
            best[key] = era
    kept = sorted(best.values(), key=lambda era: era.until)[-MOST // 2 :]
    return (*kept, *(era for era in eras if not era.ended))
