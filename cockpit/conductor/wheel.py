"""The wheel: one connection drives. It is taken when it is free, offered and accepted, requested and granted, and lost with its
screen."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from cockpit import intents as it
from cockpit.clock import Clock
from cockpit.conductor.roster import AUTOPILOT, Client
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import JournalBroken, Ledger
from cockpit.events import Role, WheelLost, WheelOffered, WheelRequested, WheelSettled, WheelTaken

STANDS = 60.0
"""Seconds for which an offer or a request stands."""

WheelIntent = (
    it.Claim | it.OfferWheel | it.AcceptWheel | it.RequestWheel | it.GrantWheel | it.DeclineWheel
)  # fmt: skip


class Wheel:
    """Who drives. `autopilot` is the name of the driver of a headless run, which gives way to a person who asks."""

    def __init__(
        self, ledger: Ledger, engine: Engine, clock: Clock, find: Callable[[int], Client | None], autopilot: str = ""
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._find = find
        self._autopilot = autopilot
        self._turn = asyncio.Lock()
        """One after the other: two who accept at once must not both drive."""
        self._lost: WheelLost | None = None
        """What the journal does not know yet."""
        self.holder: Client | None = None
        self.begun = not autopilot
        """The headless run's own driver has been at the wheel: before that, no screen takes it."""

    def role(self, client: Client) -> Role:
        """What a client is to the run."""
        if client is self.holder:
            return "drives"
        return "may drive" if client.may_drive else "observes"

    async def take(self, client: Client) -> bool:
        """Take the wheel if nobody holds it. Raises JournalBroken."""
        async with self._turn:
            return await self._take(client, client.name)

    async def _take(self, client: Client, actor: str) -> bool:
        state = self._ledger.state
        if self.holder is not None or state.driver or state.ended or not self.begun:
            return False
        await self._hand_over(client, "", actor)
        return True

    async def leave(self, client: Client) -> None:
        """A client is gone. The driver's going is the wheel's loss; nothing starts from then on."""
        async with self._turn:
            state = self._ledger.state
            if self.holder is client:
                self.holder = None
                self._lost = WheelLost(driver=state.driver, reason="the screen went away")
                await self._tell_lost()
            elif client.number in state.requests:
                with contextlib.suppress(JournalBroken):
                    await self._settle(client.number, client.name, "withdrawn")
            elif state.offer is not None and state.offer.to == client.number:
                with contextlib.suppress(JournalBroken):
                    await self._settle(0, client.name, "declined")

    async def look(self) -> None:
        """What has stood long enough is over; a loss that the journal could not take is told again."""
        async with self._turn:
            await self._tell_lost()
            now, state = self._clock.utc(), self._ledger.state
            with contextlib.suppress(JournalBroken):
                if state.offer is not None and state.offer.until <= now:
                    await self._settle(0, state.offer.name, "expired")
                for request in list(state.requests.values()):
                    if request.until <= now:
                        await self._settle(request.screen, request.name, "expired")

    async def _tell_lost(self) -> None:
        """Nothing starts without a driver, whatever the journal can be told of that."""
        lost = self._lost
        if lost is None:
            return
        self._engine.stranded = True
        with contextlib.suppress(JournalBroken):
            await self._ledger.write(lost, "conductor")
            self._lost = None
            self._engine.stranded = False

    # --- what is asked for ---------------------------------------------------------------------------------------

    async def ask(self, client: Client, intent: WheelIntent, actor: str = "") -> str:
        """Do what a client asks about the wheel; `actor` is who it was, in words. The refusal as a sentence, '' when it was
        done."""
        if not client.may_drive:
            return "this screen only watches"
        if self._ledger.state.ended:
            return "the run has ended"
        try:
            async with self._turn:
                return await self._ask(client, intent, actor or client.name)
        except JournalBroken as error:
            return str(error)

    async def _ask(self, client: Client, intent: WheelIntent, actor: str) -> str:
        state, drives = self._ledger.state, self.holder is client
        match intent:
            case it.Claim():
                if drives:
                    return "you drive already"
                return "" if await self._take(client, actor) else f"{state.driver} drives: R asks for the wheel"
            case it.OfferWheel():
                return (
                    await self._offer(client, intent.to, actor)
                    if drives
                    else "you do not drive: there is nothing to offer"
                )
            case it.AcceptWheel():
                return await self._accept(client, actor)
            case it.RequestWheel():
                return await self._request(client, actor)
            case it.GrantWheel():
                return await self._grant(client, intent.to, actor) if drives else "only the driver grants the wheel"
            case it.DeclineWheel():
                return await self._decline(client, intent.to, actor)

    async def _offer(self, client: Client, to: int, actor: str) -> str:
        if to == AUTOPILOT and self._autopilot:
            return await self._give_back(client, actor)
        other = self._find(to) if to else None
        if to and (other is None or other is client or not other.may_drive):
            return "there is no such screen that may drive"
        name = other.name if other is not None else ""
        until = self._clock.utc() + STANDS
        await self._ledger.write(WheelOffered(driver=client.name, to=to, name=name, until=until), actor)
        return ""

    async def _give_back(self, client: Client, actor: str) -> str:
        """The headless run drives itself again."""
        how = f"handed back by {client.name}"
        taken = WheelTaken(driver=self._autopilot, uid=os.getuid(), pid=os.getpid(), screen=AUTOPILOT, how=how)
        await self._ledger.write(taken, actor)
        self.holder = None
        return ""

    async def _accept(self, client: Client, actor: str) -> str:
        offer = self._ledger.state.offer
        if self.holder is client:
            return "you drive already"
        if offer is None or self.holder is None or offer.until <= self._clock.utc():
            return "the wheel is not offered any more"
        if offer.to and offer.to != client.number:
            return f"the wheel is offered to {offer.name}"
        await self._hand_over(client, f"offered by {offer.driver}", actor)
        return ""

    async def _request(self, client: Client, actor: str) -> str:
        state = self._ledger.state
        if self.holder is client:
            return "you drive already"
        if not state.driver:
            return "" if await self._take(client, actor) else "nobody drives: c claims the wheel"
        if self.holder is None:
            # No person is at the wheel: the headless run gives way, and starts nothing more of itself.
            await self._hand_over(client, f"{state.driver} gave way", actor)
            return ""
        if state.offer is not None and state.offer.to in {0, client.number}:
            return await self._accept(client, actor)
        if client.number in state.requests:
            return "you have asked already: the driver sees it"
        until = self._clock.utc() + STANDS
        await self._ledger.write(WheelRequested(screen=client.number, name=client.name, until=until), actor)
        return ""

    async def _grant(self, client: Client, to: int, actor: str) -> str:
        request, other = self._ledger.state.requests.get(to), self._find(to)
        if request is None or other is None or request.until <= self._clock.utc():
            return "that request is over"
        await self._hand_over(other, f"granted by {client.name}", actor)
        return ""

    async def _decline(self, client: Client, to: int, actor: str) -> str:
        state = self._ledger.state
        if self.holder is client and to in state.requests:
            await self._settle(to, state.requests[to].name, "declined", actor)
        elif self.holder is client and state.offer is not None:
            await self._settle(0, state.offer.name, "withdrawn", actor)
        elif client.number in state.requests:
            await self._settle(client.number, client.name, "withdrawn", actor)
        elif state.offer is not None and state.offer.to == client.number:
            await self._settle(0, client.name, "declined", actor)
        else:
            return "there is nothing to decline"
        return ""

    async def _hand_over(self, client: Client, how: str, actor: str) -> None:
        """From one driver to the next without a gap: what goes on by itself goes on. Raises JournalBroken; nothing has changed
        then."""
        taken = WheelTaken(
            driver=client.name, uid=client.peer.uid, pid=client.peer.pid, screen=client.number, how=how
        )  # fmt: skip
        before, self.holder = self.holder, client
        try:
            await self._ledger.write(taken, actor)
        except JournalBroken:
            self.holder = before
            raise

    async def _settle(self, screen: int, name: str, outcome: str, by: str = "") -> None:
        event = WheelSettled(screen=screen, name=name, outcome=outcome, by=by)  # type: ignore[arg-type]
        await self._ledger.write(event, by or "conductor")
