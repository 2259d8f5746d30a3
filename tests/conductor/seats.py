"""A conductor's heart without hosts, and screens on its socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cockpit.clock import Clock, SystemClock
from cockpit.conductor.client import LiveSource
from cockpit.conductor.server import Server
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.events import Event, Record, RunStarted
from cockpit.journal.reader import records
from cockpit.journal.writer import JournalWriter
from cockpit.plan.model import Plan
from cockpit.reduce import reduce
from cockpit.state import RunState
from tests.engine.world import ModelHands, World, small_plan

TOKEN = "the token of this run"


class Ahead(SystemClock):
    """The machine's clock, and as far ahead of it as a test wants."""

    def __init__(self) -> None:
        self.by = 0.0

    def utc(self) -> float:
        return time.time() + self.by


class Run:
    """A conductor's heart without hosts: journal on disk, engine, socket."""

    def __init__(
        self,
        folder: Path,
        journal: JournalWriter,
        clock: Clock | None = None,
        autopilot: str = "",
        token: str = TOKEN,
        socket: Path | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.socket = socket or folder / "socket"
        self.file = folder / "journal.jsonl"
        self.journal = journal
        self.ledger = Ledger(journal)
        journal.subscribe(self.ledger.observe)
        self.world = World()
        self.engine = Engine(self.ledger, ModelHands(self.world, lambda: self.ledger.state), clock)
        self.server = Server(self.file, self.ledger, self.engine, token, None, clock, autopilot)
        journal.subscribe(self.server.observe)

    def events(self, kind: type[Event]) -> list[Record]:
        return [record for record in records(self.file) if isinstance(record.event, kind)]


@asynccontextmanager
async def conducted(
    folder: Path,
    plan: Plan | None = None,
    clock: Clock | None = None,
    autopilot: str = "",
    token: str = TOKEN,
    socket: Path | None = None,
    before: Callable[[Run], Awaitable[None]] | None = None,
) -> AsyncIterator[Run]:
    """A run that has begun and listens."""
    async with JournalWriter(folder / "journal.jsonl", clock or SystemClock()) as journal:
        made = Run(folder, journal, clock, autopilot, token, socket)
        await made.ledger.write(
            RunStarted(run=folder.name if token is not TOKEN else "night", plan=plan or small_plan()), "test"
        )
        if before is not None:
            await before(made)
        tasks = [asyncio.create_task(made.engine.run()), asyncio.create_task(made.server.run(made.socket))]
        while not made.socket.exists():
            await asyncio.sleep(0.01)
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Screen:
    """What a screen knows, with the source under it."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.state = RunState()
        self.got: list[Record] = []
        self.failure = ""
        self._news = asyncio.Event()

    async def follow(self) -> None:
        try:
            async for batch in self.source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                else:
                    self.got += batch
                    for record in batch:
                        self.state = reduce(self.state, record)
                self._news.set()
        except ConnectionError as error:
            self.failure = str(error)
            self._news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def screen(run: Run, name: str = "tom", token: str = TOKEN, path: Path | None = None) -> AsyncIterator[Screen]:
    made = Screen(LiveSource(path or run.socket, name, token, wait=5))
    following = asyncio.create_task(made.follow())
    try:
        await made.until(lambda: made.state.plan is not None or made.failure)
        yield made
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
