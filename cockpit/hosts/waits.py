"""Waiting for a line in a log behind a mark: an agent of its own goes on from there, over rotations and lost links alike."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import asyncssh

from cockpit.hosts.frames import Frame
from cockpit.hosts.pool import Unreachable
from cockpit.hosts.positions import LONGEST, Position
from cockpit.plan.model import WaitLog
from cockpit.text import harmless

Agent = Callable[[str, str], AbstractAsyncContextManager[AsyncIterator[Frame]]]
"""Starts an agent on a host with its orders. Raises Unreachable."""

MARKING = 20.0

_BROKEN = (asyncssh.Error, OSError, ValueError, IndexError, asyncio.IncompleteReadError)


class LogWaits:
    """Marks and waits, of any log of any host."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def mark(self, host: str, file: str, unit: str = "") -> str:
        """Where a log ends now, as a word for `wait_for`. Raises Unreachable, also for a log that cannot be read."""
        position = Position()
        if unit:
            position.cursor = "-"
        try:
            async with asyncio.timeout(MARKING), self._agent(host, position.orders(0, file, unit)) as coming:
                async for frame in coming:
                    match frame.kind:
                        case "T":
                            raise Unreachable(f"{host}:{file or unit} cannot be read: {harmless(frame.key, 200)}")
                        case "U":
                            return f"cursor {frame.key}"
                        case "P" if unit:
                            return "begin"
                        case "F":
                            gen = position.take(frame)
                            if gen.offset >= frame.seen:
                                return position.word(whole_lines=False)
        except TimeoutError:
            raise Unreachable(f"{host}:{file or unit} did not say where it ends") from None
        except _BROKEN as error:
            raise Unreachable(f"{host}: {error}") from None
        raise Unreachable(f"{host}: the agent said nothing")

    async def wait_for(self, log: WaitLog, mark: str) -> tuple[bool, str]:
        """Wait until the pattern appears in a line behind `mark`. Returns whether, and the line or the sentence."""
        where = f"{log.host}:{log.name}"
        position = Position(mark or "begin")
        why = "it did not appear"
        try:
            pattern = re.compile(log.pattern)
            async with asyncio.timeout(log.timeout):
                while True:
                    try:
                        line = await self._seek(log, position, pattern)
                        return True, f"{where} says {harmless(line, 160)}"
                    except Unreachable as error:
                        why = str(error)
                    except _BROKEN as error:
                        why = f"{log.host}: {error}"
                    await asyncio.sleep(0.25)
        except TimeoutError:
            pass
        except re.error as error:
            why = f"the pattern cannot be used: {error}"
        return False, f"{log.pattern!r} in {where} within {log.timeout:.0f} s: {why}"

    async def _seek(self, log: WaitLog, position: Position, pattern: re.Pattern[str]) -> bytes:
        async with self._agent(log.host, position.orders(0, log.file, log.unit)) as coming:
            async for frame in coming:
                if frame.kind == "U":
                    position.cursor = frame.key
                    lines = frame.data.split(b"\n")
                elif frame.kind == "F" and frame.data:
                    gen = position.take(frame)
                    *lines, gen.rest = (gen.rest + frame.data).split(b"\n")
                    if len(gen.rest) > LONGEST:
                        lines.append(gen.rest)
                        gen.rest = b""
                elif frame.kind == "F":
                    position.take(frame)
                    continue
                elif frame.kind == "T":
                    raise Unreachable(f"{log.host}:{log.name} cannot be read: {harmless(frame.key, 200)}")
                else:
                    if frame.kind in {"X", "Q"}:
                        rest = position.generations.get(frame.serial)
                        lines = [rest.rest] if rest is not None else []
                        if frame.kind == "X":
                            position.end(frame.serial)
                    else:
                        continue
                for line in lines:
                    if pattern.search(line.decode("utf-8", "replace")):
                        return line
        raise Unreachable(f"{log.host}: the link was lost")
