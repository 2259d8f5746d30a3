"""A connection without a screen, for a command that asks one thing of a live run and goes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cockpit.conductor.client import LiveSource
from cockpit.intents import AnyIntent
from cockpit.reduce import reduce
from cockpit.state import RunState


class Visit:
    """What a visitor knows of the run, and a way to ask for something."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._news = asyncio.Event()
        self.state = RunState()
        self.over = ""
        """Why the connection has ended; '' while it lives."""

    async def follow(self) -> None:
        """Take in what comes, until the conductor goes."""
        try:
            async for batch in self._source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                else:
                    for record in batch:
                        self.state = reduce(self.state, record)
                self._news.set()
            self.over = "the conductor has closed the run"
        except ConnectionError as error:
            self.over = str(error)
        self._news.set()

    async def until(self, holds: Callable[[RunState], object], seconds: float) -> bool:
        """Wait until that holds of the state. False when the time is over or the connection has ended."""
        try:
            async with asyncio.timeout(seconds):
                while not holds(self.state):
                    if self.over:
                        return False
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def ask(self, intent: AnyIntent) -> str:
        """The refusal as a sentence, '' when it was taken."""
        return await self._source.send(intent) or ""


@asynccontextmanager
async def visiting(path: Path, name: str, token: str = "") -> AsyncIterator[Visit]:
    """A visit at a conductor's socket. It never takes the wheel. Raises ConnectionError with a sentence."""
    visit = Visit(LiveSource(path, name, token, wait=2.0, watch=True))
    following = asyncio.create_task(visit.follow())
    try:
        if not await visit.until(lambda state: state.plan is not None, 10.0):
            raise ConnectionError(visit.over or "the conductor says nothing")
        yield visit
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
