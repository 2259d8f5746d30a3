"""DNS as the world sees it: every authority, every resolver, and the time after which no honest cache can hold the old answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from cockpit.clock import Clock
from cockpit.events import DnsSeen, Event, HorizonSeen
from cockpit.plan.model import Dns, RecordSet
from cockpit.probes.classify import classify
from cockpit.probes.resolve import Answer, ask
from cockpit.state import ServiceView

EVERY = 1.0
AGAIN = 5.0
"""Seconds after which an unchanged answer is told again, so that evidence stays fresh."""

STALE_ERRORS = frozenset({3, 19})
"""Extended errors 'Stale Answer' and 'Stale NXDOMAIN Answer' (RFC 8914 §4.4, §4.20)."""

Role = Literal["primary", "authority", "resolver"]


class DnsWatch:
    """Watches one record set of one service at every vantage."""

    def __init__(
        self,
        service: str,
        record: RecordSet,
        dns: Dns,
        emit: Callable[[Event], None],
        clock: Clock,
        most: asyncio.Semaphore,
        before: ServiceView | None = None,
    ) -> None:
        """`before` is what was known of the service before a resumption: a horizon that was told, and the TTL that a step
        found before it changed anything, hold on."""
        self._service = service
        self._record = record
        self._emit = emit
        self._clock = clock
        self._most = most
        authorities = dict.fromkeys((dns.primary, *dns.authorities))
        self._vantages: list[tuple[str, Role]] = [
            (server, "primary" if server == dns.primary else "authority") for server in authorities
        ]
        self._vantages += [(server, "resolver") for server in dns.resolvers]
        self._told: dict[str, tuple[object, float]] = {}
        self._states: dict[str, str] = {}
        self._published = record.ttl
        """The longest TTL that an authority published with the old set."""
        self._changed: dict[str, float] = {}
        self._horizon = 0.0
        self._floor = 0.0
        if before is not None:
            self._floor = before.horizon.get(f"{record.name} {record.type}", 0.0)
            ttls = [step.captured.get("ttl", "") for step in before.steps.values()]
            self._published = max([self._published, *(int(ttl) for ttl in ttls if ttl.isdecimal())])

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            began = self._clock.monotonic()
            await asyncio.gather(*(self._look(server, role) for server, role in self._vantages))
            self._tell_horizon()
            await self._clock.sleep(max(0.05, EVERY - (self._clock.monotonic() - began)))

    async def _look(self, server: str, role: Role) -> None:
        async with self._most:
            answer = await ask(server, self._record.name, self._record.type, recurse=role == "resolver")
            serial = -1
            if role != "resolver" and answer.rcode:
                zone = await ask(server, self._record.name, "SOA", recurse=False)
                serial = zone.serial
        state = classify(answer, self._record.old, self._record.new, authority=role != "resolver")
        if role != "resolver":
            self._note_authority(server, state, answer)
        flags = self._flags(role, state, answer)
        self._states[server] = state
        now = self._clock.utc()
        what = (state, answer.values, serial, flags)
        before, at = self._told.get(server, (None, 0.0))
        if what == before and now - at < AGAIN:
            return
        self._told[server] = (what, now)
        self._emit(
            DnsSeen(
                service=self._service,
                name=self._record.name,
                type=self._record.type,
                vantage=server,
                role=role,
                state=state,
                answers=answer.values,
                ttl=answer.ttl,
                serial=serial,
                flags=flags,
                ms=answer.ms,
            )
        )

    def _note_authority(self, server: str, state: str, answer: Answer) -> None:
        if state in {"nxdomain", "nodata"}:
            self._published = max(self._published, answer.negative_ttl)
        elif state != "new":
            self._published = max(self._published, answer.ttl)
        if state == "new":
            if server not in self._changed:
                self._changed[server] = self._clock.utc()
        else:
            self._changed.pop(server, None)

    def _flags(self, role: Role, state: str, answer: Answer) -> tuple[str, ...]:
        flags: list[str] = []
        if role == "resolver":
            past = 0 < self._horizon < self._clock.utc()
            if STALE_ERRORS & set(answer.errors) or (past and state in {"old", "old-partial", "mixed"}):
                flags.append("stale")
            if answer.ttl > self._published > 0:
                flags.append("clamped")
        elif (
            role == "authority"
            and state != "new"
            and any(self._states.get(s) == "new" for s, r in self._vantages if r == "primary")
        ):
            flags.append("upstream-lag")
        return tuple(flags)

    def _tell_horizon(self) -> None:
        servers = [server for server, role in self._vantages if role != "resolver"]
        done = all(server in self._changed for server in servers)
        horizon = max(self._changed.values()) + max(self._published, 0) if done and servers else 0.0
        if any(self._states.get(server) == "old" for server in servers):
            self._floor = 0.0
        if horizon:
            horizon = max(horizon, self._floor)
        if abs(horizon - self._horizon) > 0.5:
            self._horizon = horizon
            self._emit(HorizonSeen(service=self._service, name=self._record.name, type=self._record.type, at=horizon))
