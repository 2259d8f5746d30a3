"""What a step writes down of record sets before it changes them, and reads again for its undo. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cockpit.plan.zones import RecordSet
from cockpit.probes.dns.held import Held, same
from cockpit.probes.dns.message import Swap

FALLBACK = 300
"""TTL of a new set for which the plan says none, seconds."""

_SETS = msgspec.json.Decoder(list[Held])


def written(held: Sequence[Held], serial: int) -> dict[str, str]:
    """Values and TTLs of the sets, and the zone's serial. `ttl` and `values` say the same in short, for people."""
    return {
        "sets": msgspec.json.encode(held).decode(),
        "values": "; ".join(" ".join(one.values) for one in held),
        "ttl": str(max(0, *(one.ttl for one in held)) if held else 0),
        "serial": str(serial),
    }


def read(captured: Mapping[str, str]) -> dict[str, Held]:
    """The captured sets by `name type`; none where only the short form was written."""
    try:
        return {one.key: one for one in _SETS.decode(captured.get("sets", "[]"))}
    except msgspec.DecodeError:
        return {}


def forward(records: Sequence[RecordSet], captured: Mapping[str, str]) -> tuple[Swap, ...]:
    """From old to new, under the plan's TTL or the one that was found."""
    before = read(captured)
    return tuple(
        Swap(
            name=record.name,
            type=record.type,
            was=record.old,
            becomes=record.new,
            ttl=record.ttl or _ttl(before.get(record.key), captured, FALLBACK),
        )
        for record in records
    )


def back(records: Sequence[RecordSet], captured: Mapping[str, str]) -> tuple[Swap, ...]:
    """From new to what was captured, letter by letter. What had changed between capture and apply is not brought back: then
    the plan's old values are what the update demanded."""
    before = read(captured)
    swaps: list[Swap] = []
    for record in records:
        held = before.get(record.key)
        exact = held is not None and same(record.type, held.values, record.old)
        values = held.values if held is not None and exact else record.old
        ttl = _ttl(held, captured, record.ttl or FALLBACK)
        swaps.append(Swap(name=record.name, type=record.type, was=record.new, becomes=values, ttl=ttl))
    return tuple(swaps)


def _ttl(held: Held | None, captured: Mapping[str, str], otherwise: int) -> int:
    if held is not None:
        return held.ttl if held.ttl >= 0 else otherwise
    short = captured.get("ttl", "")
    return int(short) if short.isdecimal() and "sets" not in captured and int(short) else otherwise
