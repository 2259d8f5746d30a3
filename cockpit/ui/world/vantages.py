"""Vantages × time for one record set: what each says now, what it said before, and what is odd about it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

import msgspec
from rich.cells import cell_len

from cockpit.plan.model import Plan
from cockpit.reduce.world import WRONG
from cockpit.state import DnsView, Past, ServiceView
from cockpit.ui.glyphs import DNS_GLYPHS
from cockpit.ui.paint import Line, Span, fit, seconds, width_of

ROLES: dict[str, tuple[int, str]] = {
    "parent": (0, "parent"),
    "primary": (1, "prim"),
    "authority": (2, "auth"),
    "resolver": (3, "cache"),
}
"""Order, and the word in a narrow column."""

FLAG_STYLES = {"authentic": "good", "clamped": "warn", "upstream-lag": "warn"}
"""The others are bad."""

DNS_ERRORS: dict[int, str] = {
    0: "other error",
    1: "DNSKEY algorithm not supported",
    2: "DS digest not supported",
    3: "stale answer",
    4: "forged answer",
    5: "DNSSEC indeterminate",
    6: "DNSSEC bogus",
    7: "signature expired",
    8: "signature not yet valid",
    9: "DNSKEY missing",
    10: "signatures missing",
    11: "no zone key bit set",
    12: "NSEC missing",
    13: "cached error",
    14: "not ready",
    15: "blocked",
    16: "censored",
    17: "filtered",
    18: "prohibited",
    19: "stale NXDOMAIN answer",
    20: "not authoritative",
    21: "not supported",
    22: "no reachable authority",
    23: "network error",
    24: "invalid data",
    25: "signature expired before it was valid",
    26: "too early",
    27: "NSEC3 iterations not supported",
    28: "against its policy",
    29: "synthesized",
}
"""Extended DNS errors (RFC 8914 §4 and IANA's registry)."""


class Window(msgspec.Struct, frozen=True):
    """A stretch of time, UTC."""

    begin: float
    end: float

    def at(self, column: int, columns: int) -> float:
        """The moment that a column of so many ends with."""
        return self.begin + (self.end - self.begin) * (column + 1) / columns


def vantages(plan: Plan, view: ServiceView, key: str) -> list[DnsView]:
    """Those that were asked for a record set, below what the parent says of its zone: parents, authorities, resolvers, each in
    the plan's order."""
    named = plan.dns
    order = (*named.parent, named.primary, *named.authorities, *named.resolvers) if named is not None else ()
    place = {address: index for index, address in enumerate(order)}
    found = [seen for seen in view.dns.values() if f"{seen.name} {seen.type}" == key or _above(seen, key)]
    return sorted(found, key=lambda seen: (ROLES[seen.role][0], place.get(seen.vantage, len(place)), seen.vantage))


def _above(seen: DnsView, key: str) -> bool:
    """Whether it is a parent's word on the zone that the record set stands in."""
    zone, name = seen.name.lower().rstrip("."), key.partition(" ")[0].lower().rstrip(".")
    return seen.role == "parent" and (name == zone or name.endswith(f".{zone}"))


def window(seen: Sequence[DnsView], now: float) -> Window:
    """The time that the matrix shows: from shortly before the first change to now, ten minutes while nothing changed."""
    end = max([now, *(view.utc for view in seen)])
    first = min((past_of(view)[0].utc for view in seen), default=end)
    changes = [view.past[1].utc for view in seen if len(view.past) > 1]
    begin = min(changes) - max(5.0, (end - min(changes)) * 0.1) if changes else end - 600
    return Window(min(max(begin, first), end - 1), end)


def past_of(view: DnsView) -> tuple[Past, ...]:
    """How a vantage changed; the last answer alone where no more is kept."""
    return view.past or (Past(utc=view.utc, state=view.state, wrong=not WRONG.isdisjoint(view.flags)),)


def strip(view: DnsView, span: Window, width: int) -> Line:
    """What a vantage said over the time: a letter for each column, `!` where it was stale or bogus, `·` before it was
    asked."""
    past = past_of(view)
    cells: list[Span] = []
    for column in range(width):
        index = bisect_right(past, span.at(column, width), key=lambda each: each.utc) - 1
        if index < 0:
            cells.append(("·", "dim"))
        elif past[index].wrong:
            cells.append(("!", "bad"))
        else:
            cells.append(DNS_GLYPHS[past[index].state])
    return [("".join(text for text, _ in same), style) for style, same in groupby(cells, key=lambda cell: cell[1])]


def ttl_of(view: DnsView, now: float) -> Span:
    """What is left of a cached answer's TTL, counting down; the published one of an authority."""
    if view.ttl < 0:
        return "", "dim"
    if view.role != "resolver":
        return f"={view.ttl}", "dim"
    left = max(0.0, view.ttl - max(0.0, now - view.utc))
    return (seconds(left) if left >= 60 else f"{left:.0f} s"), "" if left else "dim"


def counted(view: DnsView) -> Span:
    """The serial of an authority; of a resolver how many samples have moved."""
    if view.moved >= 0:
        return f"{view.moved}/{view.samples} new", "new" if view.moved == view.samples else "warn"
    if view.serial >= 0:
        return f"{view.serial}", "dim"
    return "", ""


def remarks(view: DnsView, chain: tuple[str, ...]) -> Line:
    """Flags, extended errors in words, why there is no answer, and a chain that is not everybody's."""
    pieces: list[Span] = [(flag, FLAG_STYLES.get(flag, "bad")) for flag in view.flags if flag != "authentic"]
    pieces += [(f"EDE {code} {DNS_ERRORS.get(code, 'unknown error')}", "warn") for code in view.errors]
    if view.detail:
        pieces.append((view.detail, "dim"))
    if view.chain != chain and view.chain:
        pieces.append((f"chain {' → '.join(view.chain)}", "dim"))
    line: Line = []
    for text, style in pieces:
        line += [(" · ", "dim")] if line else []
        line.append((text, style))
    return line


DECLARED = frozenset({"new", "old"})
"""States in which the answers are just what was declared."""


class Columns(msgspec.Struct, frozen=True):
    """Widths of the matrix. Without room for answers only those that were not declared are told, as a remark."""

    vantage: int
    strip: int
    answers: int

    def head(self, span: Window, hidden: str = "") -> Line:
        """The line above it. `hidden` says which vantages are in sight where that is not all."""
        age = seconds(span.end - span.begin)
        over = f"last {age}" if self.strip >= 8 + len(age) else f"{age}"
        return [
            (" " * 8, ""),
            (f"{hidden or 'vantage':<{self.vantage}.{self.vantage}} ", "key" if hidden else "dim"),
            (f"{over:<{self.strip}.{self.strip}} {'now':<16}{'ttl':<8}{'serial/new':<11}", "dim"),
            (f"{'answers' if self.answers else '':<{self.answers}}", "dim"),
        ]


def columns(seen: Sequence[DnsView], width: int) -> Columns:
    """Widths for what there is to show."""
    room = max(20, width - 1 - 7 - 2 - 16 - 8 - 11)
    vantage = min(max([7, *(len(view.vantage) for view in seen)]), 15 if width < 100 else 24 if width < 160 else 44)
    room -= vantage
    if width < 100:
        return Columns(vantage, room, 0)
    room -= min(48, room // 3) if width >= 160 else 0
    wanted = max([8, *(cell_len(" ".join(view.answers)) for view in seen)]) + 1
    answers = max(8, min(wanted, room * 2 // 3))
    return Columns(vantage, room - answers, answers)


def rows(view: DnsView, span: Window, sizes: Columns, chain: tuple[str, ...], now: float, width: int) -> list[Line]:
    """A vantage: a line, and a second one for its remarks where the first has no room for them."""
    glyph, style = DNS_GLYPHS[view.state]
    odd = not WRONG.isdisjoint(view.flags)
    ttl, ttl_style = ttl_of(view, now)
    count, count_style = counted(view)
    line: Line = [
        (f" {ROLES[view.role][1]:<7}", "dim"),
        *fit([(view.vantage, "")], sizes.vantage),
        (" ", ""),
        *strip(view, span, sizes.strip),
        (" ", ""),
        (f"{glyph} {view.state:<11}", "bad" if odd else style),
        ("!  ", "bad") if odd else ("AD " if "authentic" in view.flags else "   ", "good"),
        (f"{ttl:<8}", ttl_style),
        (f"{count:<11.11}", count_style),
        *fit([(" ".join(view.answers), "")], sizes.answers),
    ]
    said = remarks(view, chain)
    if not sizes.answers and view.answers and view.state not in DECLARED:
        said = [(" ".join(view.answers), ""), *([(" · ", "dim")] if said else []), *said]
    if not said:
        return [fit(line, width)]
    if width_of(said) + width_of(line) <= width:
        return [fit([*line, *said], width)]
    return [fit(line, width), fit([("       └ ", "dim"), *said], width)]
