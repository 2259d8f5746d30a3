"""What became of an update whose answer was lost: the zone's own history says, where the server gives it (RFC 1995)."""

from __future__ import annotations

from collections.abc import Sequence

import dns.name
import dns.tsig
import msgspec

from cockpit.probes.dns.ask import normal
from cockpit.probes.dns.message import Swap
from cockpit.probes.dns.transfer import Row, TransferError, rows_of


class Step(msgspec.Struct, frozen=True):
    """One change of the zone, from a serial to the next."""

    gone: frozenset[Row]
    came: frozenset[Row]


async def happened(server: str, zone: str, key: dns.tsig.Key | None, serial: int, swaps: Sequence[Swap]) -> bool | None:
    """Whether exactly this change is in the zone's history since `serial`; None when the server does not tell."""
    if serial < 0:
        return None
    try:
        rows = await rows_of(server, zone, key, since=serial)
    except TransferError:
        return None
    steps = steps_of(rows, serial)
    return None if steps is None else any(_is(step, swaps) for step in steps)


def steps_of(rows: Sequence[Row], since: int) -> list[Step] | None:
    """The changes in an incremental transfer (RFC 1995 §4), oldest first; None when the whole zone came in its place, or
    nothing but its serial although that has moved."""
    if not rows or rows[0][1] != "SOA":
        return None
    if len(rows) == 1:
        return [] if rows[0][2].split()[2:3] == [str(since)] else None
    if rows[1][1] != "SOA":
        return None
    steps: list[Step] = []
    gone: set[Row] = set()
    came: set[Row] = set()
    coming = True
    for row in rows[1:-1]:
        if row[1] == "SOA":
            coming = not coming
            if not coming and (gone or came):
                steps.append(Step(frozenset(gone), frozenset(came)))
                gone, came = set(), set()
        else:
            (came if coming else gone).add(row)
    if gone or came:
        steps.append(Step(frozenset(gone), frozenset(came)))
    return steps


def _is(step: Step, swaps: Sequence[Swap]) -> bool:
    """Whether a change did to each set what its swap asks. A set that stays under another TTL goes and comes whole."""
    for swap in swaps:
        owner = dns.name.from_text(swap.name).to_text().lower()
        gone = {
            normal(swap.type, value) for name, type, value, _ in step.gone if (name.lower(), type) == (owner, swap.type)
        }
        mine = [(value, ttl) for name, type, value, ttl in step.came if (name.lower(), type) == (owner, swap.type)]
        came = {normal(swap.type, value) for value, _ in mine}
        was = {normal(swap.type, value) for value in swap.was}
        becomes = {normal(swap.type, value) for value in swap.becomes}
        if came - gone != becomes - was or gone - came != was - becomes:
            return False
        if any(ttl != swap.ttl for _, ttl in mine):
            return False
        if was == becomes and came != becomes:
            return False
    return True
