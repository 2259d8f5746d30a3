"""A zone whose primary takes updates: each change is one message that happens whole or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import dns.exception
import dns.tsig
import dns.update

from cockpit.engine.ports import Outcome
from cockpit.plan.zones import Dns
from cockpit.probes.dns.held import Held, all_held_at, same, serial_at
from cockpit.probes.dns.history import happened
from cockpit.probes.dns.message import Swap, update_message
from cockpit.probes.dns.refusals import STALE, refusal
from cockpit.probes.dns.send import Reply, send
from cockpit.probes.dns.transfer import TransferError, whole
from cockpit.probes.dns.tsig import key_of
from cockpit.text import harmless

PATIENCE = 5.0
"""Seconds for one answer."""

LONGEST = 25.0
"""Seconds within which a lost answer is cleared up, when the step's time-out allows."""

_PAUSE = 0.3

NAMES = frozenset({"CNAME", "DNAME", "MX", "NS", "PTR", "SRV"})
"""Types with names in their records."""

Tell = Callable[[str], None]


class Primary:
    """Reads sets at the primary and swaps them by RFC 2136 updates under TSIG."""

    atomic = True

    def __init__(self, zone: Dns) -> None:
        self._zone = zone

    async def read(self, keys: Sequence[tuple[str, str]]) -> list[Held]:
        """The sets as the primary holds them."""
        return await all_held_at(self._zone.primary, keys, PATIENCE)

    async def exact(self, keys: Sequence[tuple[str, str]]) -> list[Held]:
        """The same letter by letter, for an undo: in answers the names inside records lose their case."""
        held = await self.read(keys)
        if not NAMES & {type for _, type in keys} or any(one.trouble for one in held):
            return held
        try:
            key = key_of(self._zone.tsig) if self._zone.tsig is not None else None
            zone = await whole(self._zone.primary, self._zone.zone, key)
        except (OSError, ValueError, TransferError):
            return held
        found = {(one.name.lower(), one.type): one for one in zone}
        return [_spelt(one, found.get((one.name.rstrip(".").lower(), one.type))) for one in held]

    async def serial(self) -> int:
        """The zone's serial there, -1 when it does not say."""
        return await serial_at(self._zone.primary, self._zone.zone)

    async def swap(self, swaps: Sequence[Swap], timeout: float, tell: Tell) -> Outcome:
        """Compare and swap. `ok` when this change took effect, `failed` when it certainly did not, `unknown` else."""
        try:
            key = key_of(self._zone.tsig) if self._zone.tsig is not None else None
            update = update_message(self._zone.zone, swaps, key)
        except (OSError, ValueError, dns.exception.DNSException) as error:
            return Outcome(verdict="failed", detail=f"the update cannot be made: {harmless(str(error), 200)}")
        return await _Exchange(self._zone, swaps, key, update, min(timeout, LONGEST), tell).run()


def _spelt(held: Held, there: Held | None) -> Held:
    """The answer in the transfer's spelling, where they agree."""
    if there is None or not there.holds(held.values) or there.ttl != held.ttl:
        return held
    return Held(name=held.name, type=held.type, values=there.values, ttl=held.ttl)


def is_new(held: Held, swap: Swap) -> bool:
    """Whether a set is what the swap makes of it; where only the TTL changes, that decides."""
    only_ttl = same(swap.type, swap.was, swap.becomes)
    return held.holds(swap.becomes) and (not only_ttl or held.ttl == swap.ttl)


class _Exchange:
    """One update until it is known what became of it."""

    def __init__(
        self,
        zone: Dns,
        swaps: Sequence[Swap],
        key: dns.tsig.Key | None,
        update: dns.update.UpdateMessage,
        timeout: float,
        tell: Tell,
    ) -> None:
        self._zone = zone
        self._swaps = swaps
        self._key = key
        self._update = update
        self._ends = time.monotonic() + timeout
        self._tell = tell
        self._lost = ""
        """Why an answer was lost; from then on the update may have happened although a later answer refuses it."""

    async def run(self) -> Outcome:
        server = self._zone.primary
        since = await serial_at(server, self._zone.zone)
        while True:
            reply = await send(self._update, server, max(0.5, min(PATIENCE, self._ends - time.monotonic())))
            for swap in self._swaps:
                self._tell(f"update {swap}: {reply.code or reply.why}")
            if reply.code == "NOERROR" and reply.signed:
                said = "; ".join(f"{swap.key} is {', '.join(swap.becomes) or 'gone'}" for swap in self._swaps)
                return Outcome(verdict="ok", detail=f"NOERROR: {said} on the primary")
            if not reply.code and not reply.sent and not self._lost:
                return Outcome(verdict="unknown", detail=f"{server} does not answer ({reply.why}); nothing was sent")
            if not (reply.code and reply.signed) and (reply.code or reply.sent):
                self._lost = reply.why or f"{reply.code}, not signed"
            outcome = await self._settle(reply, since)
            if outcome is not None:
                return outcome
            self._tell("the primary's answer was lost and nothing was changed: the update is sent again")

    async def _settle(self, reply: Reply, since: int) -> Outcome | None:
        """What became of it, from what the primary holds now; None when it can be sent again without harm."""
        refused = reply.code and reply.signed
        if refused and not self._lost and reply.code not in STALE:
            return Outcome(verdict="failed", detail=refusal(reply.code, reply.ahead))
        held, now = await self._look()
        if any(one.trouble for one in held):
            if refused and not self._lost:
                return Outcome(verdict="failed", detail=refusal(reply.code, reply.ahead))
            trouble = next(one.trouble for one in held if one.trouble)
            return Outcome(
                verdict="unknown", detail=f"the primary's reply was lost: {self._lost}; it cannot be asked: {trouble}"
            )
        if all(is_new(one, swap) for one, swap in zip(held, self._swaps, strict=True)):
            return Outcome(verdict="ok", detail=self._found_so(held))
        if not self._lost:
            return Outcome(verdict="failed", detail=f"{refusal(reply.code)}; it holds {said(held)}")
        unchanged = all(one.holds(swap.was) for one, swap in zip(held, self._swaps, strict=True))
        if unchanged and since >= 0 and now == since:
            return self._again(reply)
        return await self._by_history(reply, held, since, unchanged)

    async def _by_history(self, reply: Reply, held: Sequence[Held], since: int, unchanged: bool) -> Outcome | None:
        known = await happened(self._zone.primary, self._zone.zone, self._key, since, self._swaps)
        if known:
            back = "back" if unchanged else f"on, to {said(held)}"
            why = f"the reply was lost ({self._lost}); the change happened, and another writer has changed it {back}"
            return Outcome(verdict="failed" if unchanged else "ok", detail=why)
        if known is None:
            why = f"the primary's reply was lost ({self._lost}), and the zone has changed since; it holds {said(held)}"
            return Outcome(verdict="unknown", detail=f"{why}: whether ours was among the changes cannot be told")
        if unchanged:
            return self._again(reply)
        return Outcome(verdict="failed", detail=f"{refusal('NXRRSET')}; another writer made it {said(held)}")

    def _again(self, reply: Reply) -> Outcome | None:
        """The sets are what the update demands and it did not happen: sending it again can make it happen once only."""
        if reply.code and reply.code not in STALE:
            words = "its answer is not signed: does it know this key, and is it the zone's primary?"
            if reply.signed:
                return Outcome(verdict="failed", detail=refusal(reply.code, reply.ahead))
            return Outcome(verdict="failed", detail=f"{self._zone.primary} changed nothing ({reply.code}), and {words}")
        if time.monotonic() < self._ends:
            return None
        why = f"the primary's reply was lost: {self._lost}; nothing is changed so far"
        return Outcome(verdict="unknown", detail=why)

    async def _look(self) -> tuple[list[Held], int]:
        """The sets and the serial before them, asked until there is an answer or the time is over."""
        keys = [(swap.name, swap.type) for swap in self._swaps]
        while True:
            now = await serial_at(self._zone.primary, self._zone.zone)
            held = await all_held_at(self._zone.primary, keys)
            if not any(one.trouble for one in held) or time.monotonic() > self._ends:
                return held, now
            await asyncio.sleep(_PAUSE)

    def _found_so(self, held: Sequence[Held]) -> str:
        if not self._lost:
            return "the primary holds the values already: the swap had happened, or another writer made the same"
        other = [one for one, swap in zip(held, self._swaps, strict=True) if swap.becomes and one.ttl != swap.ttl]
        if other:
            return f"the reply was lost ({self._lost}); another writer made the same change, with TTL {other[0].ttl} s"
        return f"the reply was lost ({self._lost}), and the primary holds the new values"


def said(held: Sequence[Held]) -> str:
    """Sets in a sentence, harmless and bounded."""
    return "; ".join(harmless(str(one), 300) for one in held)
