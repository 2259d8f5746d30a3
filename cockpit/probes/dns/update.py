"""Carrying out `dns` and `ttl` steps: capture, change, wait for every authority, and the way back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from cockpit.clock import Clock
from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import StepOutput, StepProgress
from cockpit.plan.zones import Dns, DnsChange, DnsTtl
from cockpit.probes.dns import captured, lowering
from cockpit.probes.dns.authorities import found_authorities
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.message import Swap
from cockpit.probes.dns.primary import Primary, Tell, is_new, said
from cockpit.probes.dns.provider import Kept
from cockpit.probes.dns.served import Wanted, all_serve
from cockpit.text import harmless

AGAIN = 1.0
"""Seconds after which authorities that could not be looked up are looked up again."""


class Keeper(Protocol):
    """Where a zone is kept and changed."""

    atomic: bool

    async def read(self, keys: Sequence[tuple[str, str]]) -> list[Held]:
        """The sets as they stand there."""
        ...

    async def exact(self, keys: Sequence[tuple[str, str]]) -> list[Held]:
        """The same letter by letter."""
        ...

    async def serial(self) -> int:
        """The zone's serial, -1 when it has none to tell."""
        ...

    async def swap(self, swaps: Sequence[Swap], timeout: float, tell: Tell) -> Outcome:
        """Change the sets if and only if they are what is expected."""
        ...


class DnsHands:
    """Carries out the ops of `dns` and `ttl` steps. `secrets` are those that a zone's provider gets."""

    def __init__(self, zone: Dns | None, clock: Clock, secrets: Mapping[str, str] | None = None) -> None:
        self._zone = zone
        self._clock = clock
        self._keeper: Keeper | None = None
        if zone is not None:
            self._keeper = Kept(zone, zone.provider, secrets or {}) if zone.provider is not None else Primary(zone)

    async def act(self, call: Call, say: Say) -> Outcome:
        zone, keeper = self._zone, self._keeper
        if zone is None or keeper is None:
            return Outcome(verdict="failed", detail="the plan names no zone to change")
        match call.step.action:
            case DnsChange() as change:
                return await _Change(zone, keeper, change).act(call, say)
            case DnsTtl() as ttl:
                return await _Ttl(zone, keeper, ttl, self._clock).act(call, say)
            case _:
                return Outcome(verdict="failed", detail="the step changes no record")

    async def recall(self, call: Call, say: Say) -> Outcome:
        """A swap leaves no job behind: what the zone holds now says whether it happened."""
        zone, keeper = self._zone, self._keeper
        if zone is None or keeper is None:
            return Outcome(verdict="unknown", detail="the plan names no zone")
        match call.step.action:
            case DnsChange() as change:
                swaps = _Change(zone, keeper, change).swaps(call)
            case DnsTtl() as ttl:
                swaps = _Ttl(zone, keeper, ttl, self._clock).swaps(call)
            case _:
                return Outcome(verdict="unknown", detail="the step changes no record")
        held = await keeper.read([(swap.name, swap.type) for swap in swaps])
        trouble = next((one.trouble for one in held if one.trouble), "")
        if trouble:
            return Outcome(verdict="unknown", detail=f"the zone cannot be read: {trouble}")
        if all(is_new(one, swap) for one, swap in zip(held, swaps, strict=True)):
            return Outcome(verdict="ok", detail="the swap had happened")
        if all(one.holds(swap.was) for one, swap in zip(held, swaps, strict=True)):
            return Outcome(verdict="nothing")
        return Outcome(verdict="unknown", detail=f"neither as before nor as wanted: {said(held)}; decide what happened")


class _Change:
    """One `dns` step."""

    def __init__(self, zone: Dns, keeper: Keeper, change: DnsChange) -> None:
        self._zone = zone
        self._keeper = keeper
        self._records = change.records

    def swaps(self, call: Call) -> tuple[Swap, ...]:
        """What an apply or an undo changes."""
        there = captured.back if call.op in {"undo", "verify_undo"} else captured.forward
        return there(self._records, call.captured)

    async def act(self, call: Call, say: Say) -> Outcome:
        match call.op:
            case "probe":
                return await self._probe()
            case "capture":
                return await capture(self._keeper, [(record.name, record.type) for record in self._records])
            case "apply" | "undo":
                return await self._keeper.swap(self.swaps(call), call.step.timeout, teller(call, say))
            case "verify":
                wanted = [Wanted(name=r.name, type=r.type, values=r.new) for r in self._records]
                return await served(self._zone, call, wanted, say)
            case "verify_undo":
                exact = "sets" in call.captured and self._keeper.atomic
                wanted = [
                    Wanted(name=s.name, type=s.type, values=s.becomes, ttl=s.ttl if exact else -1)
                    for s in self.swaps(call)
                ]
                return await served(self._zone, call, wanted, say)

    async def _probe(self) -> Outcome:
        held = await self._keeper.read([(record.name, record.type) for record in self._records])
        trouble = next((one.trouble for one in held if one.trouble), "")
        if trouble:
            return Outcome(verdict="unknown", detail=f"{self._zone.primary} does not answer: {trouble}")
        new = all(one.holds(record.new) for one, record in zip(held, self._records, strict=True))
        return Outcome(verdict="ok" if new else "no", detail=f"the zone holds {said(held)}")


class _Ttl:
    """One `ttl` step."""

    def __init__(self, zone: Dns, keeper: Keeper, ttl: DnsTtl, clock: Clock) -> None:
        self._zone = zone
        self._keeper = keeper
        self._names = list(ttl.names)
        self._to = ttl.to
        self._clock = clock

    def swaps(self, call: Call) -> tuple[Swap, ...]:
        """The same values under another TTL, as they were captured."""
        before = captured.read(call.captured)
        back = call.op in {"undo", "verify_undo"}
        return tuple(
            Swap(name=one.name, type=one.type, was=one.values, becomes=one.values, ttl=one.ttl if back else self._to)
            for one in before.values()
        )

    async def act(self, call: Call, say: Say) -> Outcome:
        match call.op:
            case "probe":
                held = await self._keeper.read(self._names)
                trouble = next((one.trouble for one in held if one.trouble), "")
                if trouble:
                    return Outcome(verdict="unknown", detail=f"{self._zone.primary} does not answer: {trouble}")
                so = all(one.ttl == self._to for one in held)
                return Outcome(verdict="ok" if so else "no", detail=f"the zone holds {said(held)}")
            case "capture":
                return await self._capture()
            case "apply":
                return await self._keeper.swap(self.swaps(call), call.step.timeout, teller(call, say))
            case "undo":
                return await self._undo(call, say)
            case "verify":
                wanted = [Wanted(name=name, type=type, values=None, ttl=self._to) for name, type in self._names]
                seen = await served(self._zone, call, wanted, say)
                return seen if seen.verdict != "ok" else await self._passed(call, seen.detail)
            case "verify_undo":
                wanted = [Wanted(name=s.name, type=s.type, values=None, ttl=s.ttl) for s in self.swaps(call)]
                return await served(self._zone, call, wanted, say)

    async def _capture(self) -> Outcome:
        found = await capture(self._keeper, self._names)
        lacking = [one.key for one in captured.read(found.captured).values() if not one.values]
        if lacking:
            return Outcome(verdict="failed", detail=f"there is no {', '.join(lacking)} whose TTL could change")
        if found.verdict != "ok":
            return found
        longest, trouble = await lowering.longest(self._zone, self._names, found.captured)
        if trouble:
            why = f"how long the old TTL is at every authority cannot be told: {trouble}"
            return Outcome(verdict="unknown", detail=harmless(why, 500))
        return Outcome(verdict="ok", captured=found.captured | {"longest": str(longest)})

    async def _undo(self, call: Call, say: Say) -> Outcome:
        """The captured TTLs on whatever the sets hold now: a later step may have changed that for good."""
        swaps = self.swaps(call)
        if not swaps and not {"sets", "ttl", "values"} & set(call.captured):
            return Outcome(verdict="nothing", detail="the TTLs were so before: there is nothing to take back")
        if not swaps:
            return Outcome(verdict="failed", detail="nothing was captured: the TTLs before are not known")
        held = await self._keeper.read([(swap.name, swap.type) for swap in swaps])
        trouble = next((one.trouble for one in held if one.trouble), "")
        if trouble:
            return Outcome(verdict="unknown", detail=f"{self._zone.primary} does not answer: {trouble}")
        now = tuple(
            Swap(name=swap.name, type=swap.type, was=one.values, becomes=one.values, ttl=swap.ttl)
            for swap, one in zip(swaps, held, strict=True)
            if one.values
        )
        return await self._keeper.swap(now, call.step.timeout, teller(call, say))

    async def _passed(self, call: Call, detail: str) -> Outcome:
        """Once all serve a lower TTL, caches may hold the old one for as long as that was."""
        now = self._clock.utc()
        longest = call.captured.get("longest", "")
        if not longest.isdecimal():
            return await self._passed_in_caches(call, detail)
        old, since = int(longest), lowering.served_since(call) or now
        if old <= self._to:
            return Outcome(verdict="ok", detail=detail)
        until = since + old + lowering.MARGIN
        if now >= until:
            return Outcome(verdict="ok", detail=f"{detail}; the old TTL of {old} s has passed everywhere")
        kept = call.captured | {"served": lowering.mark(call, since)}
        why = f"{detail}; until caches have forgotten the old TTL of {old} s"
        return Outcome(verdict="wait", detail=why, until=until, captured=kept)

    async def _passed_in_caches(self, call: Call, detail: str) -> Outcome:
        """It was so before we came; how long the old TTL was nobody has seen, but what caches have left can be asked."""
        since, before = lowering.served_since(call), call.captured.get("sampled", "")
        if since and before.isdecimal():
            left = int(before)
        else:
            since = self._clock.utc()
            left, trouble = await lowering.left_in_caches(self._zone, self._names)
            if trouble:
                why = f"{detail}; but whether caches still hold a longer TTL cannot be told: {trouble}"
                return Outcome(verdict="unknown", detail=harmless(why, 500))
        if left <= self._to:
            return Outcome(verdict="ok", detail=f"{detail}; the caches asked hold no longer TTL: an estimate, no bound")
        until = since + left + lowering.MARGIN
        if self._clock.utc() >= until:
            why = f"{detail}; the {left} s that the caches asked had left have passed: an estimate, no bound"
            return Outcome(verdict="ok", detail=why)
        kept = call.captured | {"sampled": str(left), "served": lowering.mark(call, since)}
        why = f"{detail}; a cache has {left} s of a longer TTL left: an estimate, others may have more"
        return Outcome(verdict="wait", detail=why, until=until, captured=kept)


async def capture(keeper: Keeper, keys: Sequence[tuple[str, str]]) -> Outcome:
    """The sets written down for an undo."""
    serial = await keeper.serial()
    held = await keeper.exact(keys)
    trouble = next((one.trouble for one in held if one.trouble), "")
    if trouble:
        return Outcome(verdict="unknown", detail=f"the zone cannot be read: {trouble}")
    return Outcome(verdict="ok", captured=captured.written(held, serial))


async def served(zone: Dns, call: Call, wanted: Sequence[Wanted], say: Say) -> Outcome:
    """Whether every authority serves it within the step's time-out; `unknown` where not all authorities could be looked up."""
    ends = time.monotonic() + call.step.timeout

    def tell(share: float, words: str) -> None:
        say(StepProgress(ref=call.step.ref, fraction=share, detail=harmless(words, 500)))

    while True:
        found = await found_authorities(zone, zone.zone)
        left = max(0.0, ends - time.monotonic())
        ok, detail = await all_serve(
            found.servers, zone.zone, wanted, min(left, AGAIN) if found.lacking else left, tell
        )
        if not found.lacking:
            return Outcome(verdict="ok" if ok else "no", detail=harmless(detail, 500))
        detail = f"{detail}, but not all authorities are known: {'; '.join(found.lacking)}"
        left = ends - time.monotonic()
        if left <= 0:
            return Outcome(verdict="unknown" if ok else "no", detail=harmless(detail, 500))
        tell(-1.0, detail)
        await asyncio.sleep(min(left, AGAIN))


def teller(call: Call, say: Say) -> Tell:
    """Lines of a step's output."""

    def tell(line: str) -> None:
        lines = (harmless(line, 1000),)
        say(StepOutput(ref=call.step.ref, attempt=call.attempt, op=call.op, stream="out", lines=lines))

    return tell
