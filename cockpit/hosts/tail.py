"""Following logs on the hosts: one agent a host on one channel, every byte once, over lost links, rotations and restarts.

The agent (`cockpit/hosts/agent`) knows generations and offsets; this side keeps how far each log arrived, so that a new agent
goes on exactly there. `frames.py` has what they say, `telling.py` what becomes of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncssh

from cockpit.events import Event, Trouble
from cockpit.hosts.clocks import Clocks
from cockpit.hosts.frames import Frame, command, frames, text
from cockpit.hosts.lines import Lines
from cockpit.hosts.output import RawSink
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.positions import Position
from cockpit.hosts.telling import PER_SECOND, Share, Teller
from cockpit.hosts.waits import LogWaits
from cockpit.plan.model import Log
from cockpit.text import harmless

SILENCE = 30.0
"""Seconds without a word after which an agent counts as lost; it says something every second."""

MOST_WAITING = 200
"""Events that may wait for the disk before the hosts have to wait."""

AGAIN = 0.3

LOST = (Unreachable, asyncssh.Error, OSError, ValueError, IndexError, asyncio.IncompleteReadError, TimeoutError)
"""What ends an agent's stream. The link tells of itself; positions stay, so nothing is lost or doubled."""


@asynccontextmanager
async def agent(pool: HostPool, host: str, orders: str) -> AsyncIterator[AsyncIterator[Frame]]:
    """An agent that runs on a host, and its frames. Raises what is in LOST."""
    async with pool[host].process(f"exec sh -c {quoted(command())}") as process:
        async with asyncio.timeout(SILENCE):
            for _ in range(50):
                # A login may greet with words of its own first.
                kind = (await process.stdout.readuntil(b"\n")).strip().decode("ascii", "replace")
                if kind in {"python", "sh"}:
                    break
            process.stdin.write(text(kind) + b"orders\n" + orders.encode("utf-8", "surrogateescape") + b"go\n")
        yield frames(process.stdout)


class Tails:
    """Follows every log of a plan. `mark` and `wait_for` look at any log of a host, tailed or not."""

    def __init__(
        self,
        pool: HostPool,
        logs: tuple[Log, ...],
        emit: Callable[[Event], None],
        raw: RawSink,
        positions: Mapping[str, tuple[str, int]] | None = None,
        waiting: Callable[[], int] = lambda: 0,
        heard: Sequence[Lines] = (),
    ) -> None:
        """`positions` is how far each log (`host:name`) was told in the journal, and its raw file with it; `waiting` says how
        many events the disk has not taken yet; `heard` are logs that are followed for somebody else."""
        self._pool = pool
        self._emit = emit
        self._waiting = waiting
        self._tellers: dict[str, list[Lines]] = {}
        self._trouble: dict[str, str] = {}
        self._faults: dict[str, str] = {}
        self._unread: dict[str, dict[int, str]] = {}
        """What each agent that runs now cannot read, by its number in the orders."""
        share = max(20_000.0, PER_SECOND / max(1, len(logs)))
        for log in logs:
            word, at = (positions or {}).get(f"{log.host}:{log.name}", ("", 0))
            teller = Teller(log, Position(word), emit, raw, Share(share))
            if word:
                teller.cut(at)
            self._tellers.setdefault(log.host, []).append(teller)
        for lines in heard:
            self._tellers.setdefault(lines.log.host, []).append(lines)
        self._clocks = Clocks(pool, emit)
        self._waits = LogWaits(lambda host, orders: agent(pool, host, orders))
        self.mark = self._waits.mark
        self.wait_for = self._waits.wait_for

    async def run(self) -> None:
        """Follow until cancelled. When it ends with a fault, it may be run again and goes on."""
        try:
            async with asyncio.TaskGroup() as group:
                for host, tellers in self._tellers.items():
                    group.create_task(self._host(host, tellers), name=f"tails of {host}")
                    group.create_task(self._clocks.keep(host), name=f"clock of {host}")
        except asyncio.CancelledError:
            for tellers in self._tellers.values():
                for teller in tellers:
                    teller.close()
            raise

    async def _host(self, host: str, tellers: list[Lines]) -> None:
        while True:
            orders = "".join(
                teller.position.orders(index, teller.log.file, teller.log.unit) for index, teller in enumerate(tellers)
            )
            self._unread[host] = {}
            try:
                async with agent(self._pool, host, orders) as coming:
                    await self._follow(host, coming, tellers)
            except LOST:
                pass
            except Exception as error:
                self._tell_fault(host, error)
            await asyncio.sleep(AGAIN)

    def _tell_fault(self, host: str, error: Exception) -> None:
        """A line that we cannot take is our own fault: it is told once, and the logs of this and of other hosts go on."""
        why = f"{type(error).__name__}: {error}"
        if self._faults.get(host) != why:
            self._faults[host] = why
            self._emit(
                Trouble(message=f"a piece of a log on {host} could not be taken: {harmless(why, 200)}", where=host)
            )

    async def _follow(self, host: str, coming: AsyncIterator[Frame], tellers: list[Lines]) -> None:
        while True:
            async with asyncio.timeout(SILENCE):
                frame = await anext(coming)
            try:
                self._take(host, frame, tellers)
            except LOST:
                raise
            except Exception as error:
                self._tell_fault(host, error)
            # A reader that always finds something in its buffer never lets go of the loop by itself.
            await asyncio.sleep(0)
            while self._waiting() > MOST_WAITING:  # noqa: ASYNC110  # the journal's thread has no event for it
                await asyncio.sleep(0.01)

    def _take(self, host: str, frame: Frame, tellers: list[Lines]) -> None:
        unread = self._unread.setdefault(host, {})
        if frame.kind == "P":
            for number, lines in enumerate(tellers):
                # An agent says what it cannot read before it beats for the first time.
                lines.trouble = unread.get(number, "")
                lines.beat()
            return
        teller = tellers[frame.index]
        position = teller.position
        match frame.kind:
            case "F":
                gen = position.take(frame)
                self._readable(host, frame.index, teller)
                if frame.data:
                    lag = self._clocks.age(host, frame.time, time.time())
                    teller.take(gen, frame.data, lag, max(0, frame.seen - gen.offset))
            case "U":
                position.cursor = frame.key
                self._readable(host, frame.index, teller)
                teller.take(None, frame.data, self._clocks.age(host, frame.time, time.time()))
            case "G":
                gap = position.generations.get(frame.serial)
                if gap is not None:
                    teller.finish(gap)
                teller.gap(frame.seen)
            case "Q" | "X":
                quiet = position.generations.get(frame.serial)
                if frame.kind == "X":
                    position.end(frame.serial)
                if quiet is not None:
                    teller.finish(quiet)
            case "T" if not frame.key.strip():
                self._readable(host, frame.index, teller)
            case "T":
                why = harmless(frame.key, 200)
                teller.trouble = unread[frame.index] = why
                self._tell_trouble(f"{host}:{teller.log.name}", host, why)

    def _readable(self, host: str, number: int, lines: Lines) -> None:
        lines.trouble = ""
        self._unread.setdefault(host, {}).pop(number, None)
        self._trouble.pop(f"{host}:{lines.log.name}", None)

    def _tell_trouble(self, log: str, host: str, why: str) -> None:
        if self._trouble.get(log) != why:
            self._trouble[log] = why
            self._emit(Trouble(message=f"{log} cannot be read: {why}", where=host))
