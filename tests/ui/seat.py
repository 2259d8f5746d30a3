"""A screen's source over the engine in memory: what a key asks for really happens, and really is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from cockpit.events import Person, Record
from cockpit.intents import AnyIntent
from cockpit.picture.seen import Seen
from cockpit.state import RunState
from tests.engine.world import Rig, small_plan


class RigSource:
    """Live on a `Rig`. `drive=False` is what `cockpit watch` has: nothing to act with."""

    transport = None
    present = None
    screen = 0
    guest = False

    def __init__(self, rig: Rig, drive: bool = True) -> None:
        self.rig = rig
        self.drives = drive
        self.sent: list[AnyIntent] = []
        self.kept: list[Seen] = []
        self.told: list[tuple[str, str | None, str, str]] = []
        """Answers: to what, which, by whom, and how that is known."""

    @property
    def can_drive(self) -> bool:
        return self.drives

    @property
    def label(self) -> str:
        return "LIVE" if self.drives else "READ-ONLY"

    def now(self) -> float:
        return self.rig.clock.utc()

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        told = 0
        while True:
            if found := self.rig.journal.records(told):
                yield found
                told += len(found)
            await asyncio.sleep(0.01)

    async def tell(self, name: str, answer: str | None, by: str = "", sure: str = "") -> str | None:
        self.told.append((name, answer, by, sure))
        return "nobody asks"

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Nobody is told."""

    def saw(self, screen: Seen) -> None:
        self.kept.append(screen)

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        self.sent.append(intent)
        if not self.drives:
            return "this screen only watches"
        return await self.rig.submit(intent) or None


async def started(services: int = 2, drive: bool = True) -> RigSource:
    """A run of the small plan that waits for its first key."""
    rig = Rig(small_plan(services))
    await rig.start()
    return RigSource(rig, drive)
