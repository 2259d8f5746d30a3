"""A live run whose time can be moved: `cockpit watch` shows it as it goes on, or as it was at any moment so far.

While it is followed, the screen gets what the conductor sends. Once it is paused, it gets what the journal holds, by the same
transport as a replay. What a watcher may ask for (to hold, to confirm as the second person) goes to the conductor, which decides;
from the past it is to hold alone, and what people ask of each other meanwhile is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from cockpit.events import Person, Record
from cockpit.intents import PAST, AnyIntent, Hold
from cockpit.picture.seen import Seen
from cockpit.reduce import fold, reduce
from cockpit.replay.copied import Copy
from cockpit.replay.growing import GrowingStore
from cockpit.replay.player import Player
from cockpit.replay.recording import Recording
from cockpit.state import RunState

LOOK = 0.2
"""Seconds between two looks for what is new in the journal."""

WAITING = 16
"""Batches that wait for the screen; one that is slower gets the state of now instead."""


class Live(Protocol):
    """What the conductor sends (`cockpit.conductor.client.LiveSource` without a token)."""

    @property
    def screen(self) -> int:
        """This screen's number among those that are attached."""
        ...

    @property
    def guest(self) -> bool:
        """It came by the door for other accounts."""
        ...

    def records(self) -> AsyncIterator[list[Record] | RunState]:
        """The state of this moment, then records in order. Raises ConnectionError with a sentence."""
        ...

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Who sits in front of how large a screen."""
        ...

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """The refusal as a sentence, None when the intent was taken."""
        ...

    def saw(self, screen: Seen) -> None:
        """Have kept what this screen shows."""
        ...


class Rewind(Player):
    """Live while it is followed, a replay otherwise."""

    label = "READ-ONLY"

    def __init__(
        self,
        live: Live,
        journal: Path | None,
        socket: Path,
        name: str,
        state: RunState | None = None,
        idle: float = 3.0,
    ) -> None:
        """`journal` is read where this account may, otherwise its lines are copied from `socket`. `state` is what the screen
        shows already."""
        self._live = live
        self._copy: Copy | None = None
        descriptor = -1
        try:
            if journal is None:
                raise FileNotFoundError
            descriptor = os.open(journal, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._copy = Copy()
            descriptor = os.dup(self._copy.descriptor)
        self._store = GrowingStore(descriptor, journal if self._copy is None else None)
        super().__init__(Recording(self._store), grows=True, idle=idle, file=journal if self._copy is None else None)
        self._socket, self._name = socket, name
        self._state = state or RunState()
        self._queue: asyncio.Queue[list[Record] | RunState] = asyncio.Queue(WAITING)
        self._missed = False
        """Whether something was sent that the screen did not get: then it is given the state of now."""
        self.transport.shown_live = lambda: self._state.seq

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        """What the conductor sends while it is followed; otherwise what the transport asks for. Raises ConnectionError when the
        conductor cannot be reached at all."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._grow())]
        if self._copy is not None:
            tasks.append(asyncio.create_task(self._copied(self._copy)))
        was_following = True
        try:
            while True:
                self._learn()
                self.transport.advance()
                if self.transport.following:
                    if self._missed or not was_following:
                        self._empty()
                        was_following = True
                        yield self._state
                    batch = await self._sent()
                    if batch is not None:
                        yield batch
                    continue
                if was_following:
                    self._told, was_following = -1, False
                if not self.transport.waits:
                    asked = await self._asked()
                    if asked is not None:
                        yield asked
                await self._pause()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.transport.look_for(None)
            self.recording.close()

    async def _sent(self) -> list[Record] | RunState | None:
        """What the conductor has sent; None when there was nothing for a moment, or something else is wanted."""
        self._moved.clear()
        getting, moving = asyncio.create_task(self._queue.get()), asyncio.create_task(self._moved.wait())
        try:
            await asyncio.wait({getting, moving}, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            for task in (getting, moving):
                task.cancel()
            await asyncio.gather(getting, moving, return_exceptions=True)

    def _empty(self) -> None:
        """What waits is in the state already."""
        self._missed = False
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                self._queue.get_nowait()

    async def _listen(self) -> None:
        """Keep the state of now, whatever is shown, and hand on what the screen follows."""
        try:
            async for batch in self._live.records():
                if isinstance(batch, RunState):
                    self._state = batch
                else:
                    self._take(batch)
                try:
                    if self.transport.following:
                        self._queue.put_nowait(batch)
                    else:
                        self._missed = True
                except asyncio.QueueFull:
                    self._missed = True
            why = "the conductor has closed the run; this is its recording"
        except ConnectionError as error:
            why = str(error)
        self._store.notice = why

    def _take(self, batch: list[Record]) -> None:
        if self.transport.following:
            self._state = fold(batch, self._state)
            return
        for record in batch:
            self._state = reduce(self._state, record)
            self.transport.meanwhile(self._state, record, time.time())

    async def _grow(self) -> None:
        while True:
            try:
                if await asyncio.to_thread(self._store.grow):
                    self._wake_if_paused()
            except OSError as error:
                self._store.notice = f"the journal cannot be read any more: {error.strerror}"
            await asyncio.sleep(LOOK)

    async def _copied(self, copy: Copy) -> None:
        try:
            await copy.follow(self._socket, f"{self._name} (recording)")
        except OSError as error:
            self._store.notice = f"from here on the run is not recorded for this screen: {error.strerror}"

    def _wake_if_paused(self) -> None:
        if not self.transport.following:
            self._wake()

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Tell the conductor the size of this screen, and who sits in front of it."""
        self._live.here(columns, rows, people)

    @property
    def present(self) -> tuple[RunState, float] | None:
        """What is so now, and the UTC of now, while the screen shows the past."""
        return None if self.transport.following else (self._state, time.time())

    @property
    def screen(self) -> int:
        """This screen's number among those that are attached."""
        return self._live.screen

    @property
    def guest(self) -> bool:
        """It came by the door for other accounts."""
        return self._live.guest

    def saw(self, screen: Seen) -> None:
        """Have kept what this screen shows."""
        self._live.saw(screen)

    async def tell(self, name: str, answer: str | None, by: str = "", sure: str = "") -> str | None:
        """Whoever only watches answers nothing."""
        return "this screen only watches"

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """What a watcher may ask for the conductor decides; but nobody asks for anything from the past, except to hold."""
        if not self.transport.following and not isinstance(intent, Hold):
            return PAST
        return await self._live.send(intent, by, sure)
