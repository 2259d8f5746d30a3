"""Waiting for every authority, not for a timer: who serves what is wanted, and who lags behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec

from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.held import Held, held_at, serial_at

QUICK, SLOW = 0.2, 1.0
"""Seconds between two looks, at first and later."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an authority must serve; a `ttl` of -1 lets it have any."""

    name: str
    type: str
    values: tuple[str, ...] | None
    """None lets it hold any."""
    ttl: int = -1

    def met(self, held: Held) -> bool:
        """Whether this is it."""
        if held.trouble or (self.values is not None and not held.holds(self.values)):
            return False
        return self.ttl < 0 or not held.values or held.ttl == self.ttl

    def __str__(self) -> str:
        what = "" if self.values is None else ", ".join(self.values) or "no such record"
        ttl = f"TTL {self.ttl} s" if self.ttl >= 0 and self.values != () else ""
        return " with ".join(word for word in (what, ttl) if word)


async def all_serve(
    servers: Sequence[str],
    zone: str,
    wanted: Sequence[Wanted],
    timeout: float,
    tell: Callable[[float, str], None],
    of: str = "",
) -> tuple[bool, str]:
    """Whether every server serves all of it within `timeout` seconds, and what was seen. `tell` hears the share and the
    sentence whenever that changes; `of` says in it what is meant. Whether these are all the authorities is the caller's to
    know."""
    async with Asker() as asker:
        return await _all_serve(asker, servers, zone, wanted, timeout, tell, of)


async def _all_serve(
    asker: Asker,
    servers: Sequence[str],
    zone: str,
    wanted: Sequence[Wanted],
    timeout: float,
    tell: Callable[[float, str], None],
    of: str,
) -> tuple[bool, str]:
    ends = time.monotonic() + timeout
    told, pause = "", QUICK
    what = "; ".join(dict.fromkeys(str(one) for one in wanted))
    while True:
        rows = await asyncio.gather(*(_look(asker, server, zone, wanted) for server in servers))
        good = sum(not lacks for lacks, _ in rows)
        top = max((serial for _, serial in rows), default=-1)
        behind = [
            f"{server} {lacks}" + (f" (serial {serial}, not {top})" if 0 <= serial < top else "")
            for server, (lacks, serial) in zip(servers, rows, strict=True)
            if lacks
        ]
        said = f"{good} of {len(servers)} authorities serve {what}{of}"
        if good == len(servers) and servers:
            return True, said
        said = "; ".join((said, *behind[:4])) + (f"; {len(behind) - 4} more" if len(behind) > 4 else "")
        if said != told:
            told = said
            tell(good / max(len(servers), 1), said)
        if time.monotonic() > ends:
            return False, said
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, SLOW)


async def _look(asker: Asker, server: str, zone: str, wanted: Sequence[Wanted]) -> tuple[str, int]:
    """What a server lacks, '' when nothing, and its serial."""
    held = await asyncio.gather(*(held_at(server, one.name, one.type, asker=asker) for one in wanted))
    lacks = [one for one, want in zip(held, wanted, strict=True) if not want.met(one)]
    if not lacks:
        return "", -1
    if lacks[0].trouble:
        return f"says {lacks[0].trouble}", -1
    return f"serves {lacks[0]}", await serial_at(server, zone, asker)
