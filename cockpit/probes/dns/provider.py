"""A zone at a provider: read, compared, written, read back. Somebody else may write in between: it is not atomic, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from cockpit.engine.ports import Outcome
from cockpit.plan.zones import Dns, Provider
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.message import Swap
from cockpit.probes.dns.primary import Tell, is_new, said
from cockpit.probes.dns.stores import StoreError, StoreLost, store_of

PATIENCE = 60.0
"""Seconds for one reading or writing."""

SETTLING = 15.0
"""Seconds in which a provider may still say what was there before a write, whether or not it answered that with an error."""


class Kept:
    """Reads and changes sets at the plan's provider."""

    atomic = False

    def __init__(self, zone: Dns, provider: Provider, secrets: Mapping[str, str]) -> None:
        self._name = f"{provider.kind} {provider.name}".strip()
        self._store = store_of(zone, provider, secrets)

    async def read(self, keys: Sequence[tuple[str, str]], timeout: float = PATIENCE) -> list[Held]:
        """The sets as the provider holds them."""
        try:
            return await self._store.read(keys, timeout)
        except StoreError as error:
            return [Held(name=name, type=type, trouble=str(error)) for name, type in keys]

    async def exact(self, keys: Sequence[tuple[str, str]]) -> list[Held]:
        """The same: a provider gives what was given to it."""
        return await self.read(keys)

    async def serial(self) -> int:
        """A provider tells none."""
        return -1

    async def swap(self, swaps: Sequence[Swap], timeout: float, tell: Tell) -> Outcome:
        """Read, refuse what is not as expected, write set by set, read back."""
        ends = time.monotonic() + timeout
        keys = [(swap.name, swap.type) for swap in swaps]
        tell(f"{self._name}: not atomic, another writer could come between reading and writing")
        held = await self.read(keys, min(PATIENCE, timeout))
        trouble = next((one.trouble for one in held if one.trouble), "")
        if trouble:
            return Outcome(verdict="unknown", detail=f"{self._name} cannot be read: {trouble}; nothing was written")
        if _all_new(held, swaps):
            return Outcome(verdict="ok", detail=f"{self._name} holds the values already")
        if not all(one.holds(swap.was) or is_new(one, swap) for one, swap in zip(held, swaps, strict=True)):
            why = f"{self._name} does not hold what the plan expects, so nothing was written; it holds {said(held)}"
            return Outcome(verdict="failed", detail=why)
        broken, lost = await self._write(swaps, held, ends, tell)
        return await self._read_back(swaps, held, broken, lost, ends)

    async def _write(self, swaps: Sequence[Swap], held: Sequence[Held], ends: float, tell: Tell) -> tuple[str, bool]:
        """Why it stopped, '' when all is written; and whether something was begun by then: what becomes of that is unknown."""
        begun = False
        for swap, now in zip(swaps, held, strict=True):
            if is_new(now, swap):
                continue
            try:
                await self._store.write(swap, now, max(1.0, min(PATIENCE, ends - time.monotonic())))
            except StoreError as error:
                tell(f"{swap}: {error}")
                return str(error), begun or isinstance(error, StoreLost)
            begun = True
            tell(f"wrote {swap}")
        return "", begun

    async def _read_back(
        self, swaps: Sequence[Swap], before: Sequence[Held], broken: str, lost: bool, ends: float
    ) -> Outcome:
        keys = [(swap.name, swap.type) for swap in swaps]
        until = min(ends, time.monotonic() + SETTLING)
        while True:
            held = await self.read(keys)
            if _all_new(held, swaps):
                other = [
                    f"{one.key} has TTL {one.ttl} s, not {swap.ttl}"
                    for one, swap in zip(held, swaps, strict=True)
                    if swap.becomes and one.ttl not in {swap.ttl, -1}
                ]
                how = f"{broken}; all the same it reads back as wanted" if broken else "written and read back"
                detail = "; ".join((f"{self._name}: {how} (not atomic)", *other))
                return Outcome(verdict="ok", detail=detail)
            if (broken and not lost) or time.monotonic() > until:
                break
            await asyncio.sleep(1.0)
        if any(one.trouble for one in held):
            trouble = next(one.trouble for one in held if one.trouble)
            return Outcome(verdict="unknown", detail=f"{broken or 'written'}; it cannot be read back: {trouble}")
        why = broken or "written, but it does not read back as wanted"
        unchanged = all((a.values, a.ttl) == (b.values, b.ttl) for a, b in zip(before, held, strict=True))
        if unchanged and not lost:
            return Outcome(verdict="failed", detail=f"{self._name}: {why}; nothing was changed")
        # What was begun may take effect later: nothing that is unchanged by now proves that it will stay so.
        return Outcome(verdict="unknown", detail=f"{self._name}: {why}; it holds {said(held)}; decide what happened")


def _all_new(held: Sequence[Held], swaps: Sequence[Swap]) -> bool:
    return all(is_new(one, swap) for one, swap in zip(held, swaps, strict=True))
