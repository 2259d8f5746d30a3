"""A whole zone at two places, side by side. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from cockpit.preflight import judge
from cockpit.preflight.judge import Row
from cockpit.probes.dns.held import Held, same
from cockpit.text import harmless

MOST = 20
"""Rows of differences that are shown; the others are counted."""

MADE = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534"})
"""Types that a server makes when it signs: they differ wherever keys do."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One record set that is not alike."""

    key: str
    kind: str
    """`missing` there, `extra` there, other `values`, another `ttl`."""
    here: str
    there: str


def differences(here: Sequence[Held], there: Sequence[Held], ignore: Collection[str]) -> list[Difference]:
    """What differs, in the order of names. SOAs are compared without their serials, where both places tell one; `ignore` names
    types, or `name type`."""
    mine, theirs = _by_key(here, ignore), _by_key(there, ignore)
    soas = [any(type == "SOA" for _, type in side) for side in (mine, theirs)]
    found: list[Difference] = []
    for key in sorted(mine.keys() | theirs.keys(), key=lambda key: (key[0].split(".")[::-1], key[1])):
        if key[1] == "SOA" and not all(soas):
            continue
        one, other, name = mine.get(key), theirs.get(key), f"{key[0]} {key[1]}"
        if one is None or other is None:
            kind = "missing" if other is None else "extra"
            found.append(Difference(key=name, kind=kind, here=_words(one), there=_words(other)))
        elif not same(key[1], one.values, other.values):
            found.append(Difference(key=name, kind="values", here=_words(one), there=_words(other)))
        elif one.ttl != other.ttl and min(one.ttl, other.ttl) >= 0:
            found.append(Difference(key=name, kind="ttl", here=f"TTL {one.ttl} s", there=f"TTL {other.ttl} s"))
    return found


def rows(zone: str, name: str, here: Sequence[Held], there: Sequence[Held], ignore: Collection[str]) -> Iterator[Row]:
    """The differences as rows of the table, bounded, and what is alike in one."""
    found, what = differences(here, there, ignore), f"zone at {name}"
    signed = [any(held.type == "DNSKEY" for held in side) for side in (here, there)]
    if signed[0] != signed[1]:
        words = "signed here, not there" if signed[0] else "signed there, not here"
        yield judge.warn("dns", what, words, "take the DS out of the parent, or sign both, before the zone moves")
    for one in found[:MOST]:
        key = harmless(one.key, 100)
        match one.kind:
            case "missing":
                yield judge.fail("dns", what, f"{key} is missing there: {one.here}", "add it there, or ignore it")
            case "extra":
                yield judge.warn("dns", what, f"{key} is there only: {one.there}", "remove it there, or ignore it")
            case "values":
                mend = "make them alike, or ignore it"
                yield judge.fail("dns", what, f"{key}: {one.here}; there {one.there}", mend)
            case _:
                yield judge.warn("dns", what, f"{key}: {one.here}; there {one.there}", "caches keep it for that long")
    if len(found) > MOST:
        yield judge.fail("dns", what, f"{len(found) - MOST} more record sets differ", "mend these first")
    alike = len(_by_key(here, ignore)) - sum(one.kind != "extra" for one in found)
    if not found:
        yield judge.good("dns", what, f"all {alike} record sets of {zone} are alike")
    else:
        yield judge.good("dns", what, f"{alike} other record sets are alike")


def _by_key(side: Sequence[Held], ignore: Collection[str]) -> dict[tuple[str, str], Held]:
    left_out = {" ".join(text.rstrip(".").replace(". ", " ").lower().split()) for text in ignore}
    found: dict[tuple[str, str], Held] = {}
    for held in side:
        name, type = held.name.rstrip(".").lower() or ".", held.type.upper()
        if type not in MADE and not {type.lower(), f"{name} {type}".lower()} & left_out:
            found[name, type] = _without_serial(held) if type == "SOA" else held
    return found


def _without_serial(held: Held) -> Held:
    words = [value.split() for value in held.values]
    values = tuple(" ".join((*fields[:2], "0", *fields[3:])) for fields in words)
    return Held(name=held.name, type=held.type, values=values, ttl=held.ttl)


def _words(held: Held | None) -> str:
    return harmless(", ".join(held.values), 200) if held is not None else "nothing"
