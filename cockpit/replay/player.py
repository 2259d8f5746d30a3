"""A recording as a source of events: the same screens, with a clock of its own and nothing to act with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from cockpit.events import Person, Record, RunStarted
from cockpit.intents import AnyIntent
from cockpit.picture.seen import Seen
from cockpit.replay.recording import Recording
from cockpit.replay.search import Search
from cockpit.replay.timeline import IDLE
from cockpit.replay.transport import Transport
from cockpit.state import RunState

FAR = 500
"""Events ahead from which on the screen is given a state, and not the events."""


class Player:
    """Gives a screen what its transport asks for."""

    can_drive = False
    label = "REPLAY"
    drives = False

    @property
    def screen(self) -> int:
        """It is attached to nothing."""
        return 0

    @property
    def guest(self) -> bool:
        """It came by no door."""
        return False

    @property
    def present(self) -> tuple[RunState, float] | None:
        """What is recorded is over."""
        return None

    def __init__(
        self,
        recording: Recording | Sequence[Record],
        speed: float = 1.0,
        at: int = 0,
        playing: bool = True,
        idle: float = IDLE,
        file: Path | None = None,
        grows: bool = False,
    ) -> None:
        """`at` is the number of the event to begin after, `file` the journal, for searches in its bytes."""
        self.recording = recording if isinstance(recording, Recording) else Recording.of(recording)
        self.transport = Transport(self.recording, self._search, speed=speed, playing=playing, idle=idle, grows=grows)
        self.transport.changed = self._wake
        self._file = file
        self._moved = asyncio.Event()
        self._told = 0
        self._learned = False
        self._learn()
        if at:
            self.transport.jump(at)
            self.transport.playing = playing

    @classmethod
    def of(cls, file: Path, speed: float = 1.0, at: int = 0, playing: bool = True, idle: float = IDLE) -> Player:
        """The player of a journal file. Raises OSError."""
        return cls(Recording.open(file), speed, at, playing, idle, file)

    def now(self) -> float:
        """UTC of the moment shown."""
        return self.transport.now()

    @property
    def place(self) -> int:
        """How many events are shown, or will be in a moment."""
        return self.transport.place

    def press(self, key: str) -> bool:
        """Give the transport a key."""
        return self.transport.press(key)

    def jump(self, seq: int) -> None:
        """To right after the event of that number, paused."""
        self.transport.jump(seq)

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        """What the transport asks for: events where it goes on, a state where it goes back or far ahead."""
        try:
            while True:
                self._learn()
                self.transport.advance()
                asked = await self._asked()
                if asked is not None:
                    yield asked
                await self._pause()
        finally:
            self.transport.look_for(None)

    async def _asked(self) -> list[Record] | RunState | None:
        """What the screen needs for the place of the transport; None when it has that, or something else is wanted by now."""
        transport, told = self.transport, self._told
        if transport.place < told or transport.place - told > FAR or told < 0:
            # At the very beginning there is still the first event: the screen needs its plan.
            wanted = transport.place = max(transport.place, 1)
            state = await asyncio.to_thread(self._state_after, wanted)
            if state is not None:
                self._told = wanted
            else:
                self._moved.set()
            return state
        if transport.place == told:
            return None
        self._told = transport.place
        return self.recording.records(told, transport.place)

    async def _pause(self) -> None:
        """Until a key moves something, or for a moment; others get their turn in any case."""
        await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self._moved.wait()
        self._moved.clear()

    def _state_after(self, wanted: int) -> RunState | None:
        """None once something else is wanted."""
        return self.recording.state_after(wanted, lambda: self.transport.place != wanted)

    def _wake(self) -> None:
        self._moved.set()

    def _learn(self) -> None:
        """The first event holds the plan."""
        if self._learned or not len(self.recording.timeline):
            return
        self._learned = True
        for first in self.recording.records(0, 1):
            if isinstance(first.event, RunStarted):
                self.transport.learn(first.event.plan, first.event.plan.planned_start or first.utc)

    def _search(self, text: str) -> Search:
        # Not every line of a damaged file is an event that is shown, nor does its text stand there in our encoding.
        if self._file is not None and not self.recording.damaged:
            return Search(text).in_file(self._file)
        return Search(text).in_records(self.recording.records, len(self.recording.timeline))

    async def tell(self, name: str, answer: str | None, by: str = "", sure: str = "") -> str | None:
        """Always refused."""
        return "a replay has nobody to answer"

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Nobody needs to know."""

    def saw(self, screen: Seen) -> None:
        """Nobody is told."""

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """Always refused."""
        return "a replay has nothing to act with"
