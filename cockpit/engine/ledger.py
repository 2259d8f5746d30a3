"""The engine's pen: every event goes to the journal first, and the state follows from what the journal holds."""

from __future__ import annotations

import asyncio

from cockpit.engine.ports import Journal
from cockpit.events import Event, Record, Trouble
from cockpit.reduce import reduce
from cockpit.state import RunState


class JournalBroken(Exception):
    """The journal takes nothing more; the sentence says why. Nothing may be built on what could not be written."""


class Ledger:
    """Writes events and folds those that reached the journal. `observe` is called by the journal, in its order."""

    def __init__(self, journal: Journal, state: RunState | None = None) -> None:
        self._journal = journal
        self._changed = asyncio.Event()
        self.state = state or RunState()
        self.broken = ""

    def observe(self, record: Record) -> None:
        """Take in one record that is in the journal, whoever wrote it."""
        self.state = reduce(self.state, record)
        self._changed.set()

    def wake(self) -> None:
        """Let whoever waits for a change look again."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait until the state has changed since the last time this returned."""
        await self._changed.wait()
        self._changed.clear()

    async def write(self, event: Event, actor: str) -> int:
        """Append and wait until it is on disk. Raises JournalBroken."""
        try:
            return await self._journal.write(event, actor)
        except Exception as error:
            self.broken = f"the journal cannot be written: {error}"
            self._changed.set()
            raise JournalBroken(self.broken) from error

    @property
    def head(self) -> str:
        """Head of the journal's hash chain: what a gate was opened on."""
        return self._journal.head

    def post(self, event: Event, actor: str = "") -> None:
        """Append without waiting."""
        self._journal.post(event, actor)

    def trouble(self, message: str, where: str = "") -> None:
        """Tell of something that went wrong on our side."""
        self.post(Trouble(message=message, where=where), "cockpit")

    def mend(self) -> None:
        """Try the journal again."""
        self.broken = ""
