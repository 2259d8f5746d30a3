"""What all DNS watches of a run share: the one that asks, the pace at which each server is asked, and serials."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cockpit.clock import Clock
from cockpit.events import Event
from cockpit.plan.zones import Dns
from cockpit.probes.context import AGAIN
from cockpit.probes.dns.answer import Answer
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.authorities import Found, found_authorities
from cockpit.probes.dns.pace import Pace

MOST_NAMES = 4096
"""Serials kept."""
LOOK_UP, LACKING = 60.0, 5.0
"""Seconds after which the zone's authorities are looked up anew: when all were found, and when not."""

Find = Callable[[Dns, str], Awaitable[Found]]
"""Who answers for a name."""


class Desk:
    """Asks for every watch. `vantages` are how many of them tell events, all record sets together."""

    def __init__(
        self,
        dns: Dns,
        asker: Asker,
        emit: Callable[[Event], None],
        clock: Clock,
        vantages: int = 1,
        find: Find = found_authorities,
    ) -> None:
        self.dns = dns
        self.emit = emit
        self.clock = clock
        self.again = min(20.0, max(AGAIN, vantages / 50))
        """Seconds after which an unchanged answer is told again: evidence stays fresh, and the journal is not filled."""
        self._asker = asker
        self._pace = Pace(clock)
        self._serials: dict[tuple[str, str], tuple[float, int]] = {}
        self._find = find
        self._finding = asyncio.Lock()
        self._found: tuple[float, Found] | None = None

    async def ask(self, server: str, name: str, type: str, *, recurse: bool = False, cd: bool = False) -> Answer:
        """One question, when it is this server's turn. Never raises for what the server does."""
        await self._pace.turn(server)
        return await self._asker.ask(server, name, type, recurse=recurse, checking_disabled=cd)

    async def serial(self, server: str, name: str) -> int:
        """The serial of the zone that holds the name, at most a round old; -1 when the server does not say."""
        now = self.clock.monotonic()
        at, serial = self._serials.get((server, name), (0.0, -1))
        if serial >= 0 and now - at < self.dns.every * 0.9:
            return serial
        answer = await self.ask(server, name, "SOA")
        if len(self._serials) >= MOST_NAMES:
            self._serials.clear()
        self._serials[server, name] = now, answer.serial
        return answer.serial

    async def authorities(self) -> Found:
        """All authorities of the plan's zone: those that it names, else what the zone's NS say, at most a minute old."""
        if self.dns.authorities:
            return Found(tuple(dict.fromkeys((self.dns.primary, *self.dns.authorities))))
        async with self._finding:
            now, before = self.clock.monotonic(), self._found
            if before is not None and now - before[0] < (LACKING if before[1].lacking else LOOK_UP):
                return before[1]
            found = await self._find(self.dns, self.dns.zone)
            # A primary that does not answer for a moment takes back nothing of a list that was whole.
            mute = bool(found.lacking) and set(found.servers) <= {self.dns.primary}
            if before is not None and not before[1].lacking and mute:
                found = before[1]
            self._found = self.clock.monotonic(), found
            return found
