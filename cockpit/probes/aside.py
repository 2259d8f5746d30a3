"""Work on what servers sent, in a process of its own: however long it takes, it delays no probe, and it can be stopped.

A regular expression or a diff over a hostile body can take for ever, and Python has no way to end it inside a thread.
`python -m cockpit.probes.aside` is that process: frames of four bytes of length and msgpack, one answer for each question, until
its standard input ends."""

from __future__ import annotations

import asyncio
import re
import resource
import struct
import sys
from typing import BinaryIO

import msgspec

from cockpit import child
from cockpit.probes import sitemaps
from cockpit.probes.alike import Outcome, Page, Rules, outcome

FRAME = 32 << 20
"""Bytes of one question: two bodies and their headers stay far below."""
SECONDS = 60
"""Of processor time for one piece of work: what nobody waits for any more ends too."""
MEMORY = 1 << 30
"""Address space of the process."""
_LENGTH = struct.Struct(">I")


class CompareTask(msgspec.Struct, frozen=True, tag="compare"):
    """Two answers to compare."""

    old: Page
    new: Page
    rules: Rules


class SitemapTask(msgspec.Struct, frozen=True, tag="sitemap"):
    """A sitemap to read."""

    raw: bytes


class MatchTask(msgspec.Struct, frozen=True, tag="match"):
    """Lines to look for a pattern in."""

    pattern: str
    lines: list[str]


class Matched(msgspec.Struct, frozen=True, tag="matched"):
    """The numbers of the lines that match, from 0."""

    lines: tuple[int, ...]


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """The work ended in a fault of its own."""

    why: str


class Stopped(Exception):
    """The work was not done in time, or its process died."""


class Aside:
    """Owns the process, which is started when it is first needed and again after it was stopped. One question at a time: all
    services share one process, and a question's time begins when it has its turn."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._one = asyncio.Lock()
        self._users = 0

    async def __aenter__(self) -> Aside:
        self._users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users:
            await self.close()

    async def compare(self, old: Page, new: Page, rules: Rules, timeout: float) -> Outcome:
        """What differs. Raises Stopped."""
        done = await self._ask(CompareTask(old, new, rules), timeout)
        assert isinstance(done, Outcome)
        return done

    async def sitemap(self, raw: bytes, timeout: float) -> sitemaps.Sitemap:
        """What a sitemap names. Raises Stopped."""
        done = await self._ask(SitemapTask(raw), timeout)
        assert isinstance(done, sitemaps.Sitemap)
        return done

    async def matching(self, pattern: str, lines: list[str], timeout: float) -> tuple[int, ...]:
        """Which of the lines a regular expression matches, from 0. Raises Stopped."""
        done = await self._ask(MatchTask(pattern, lines), timeout)
        assert isinstance(done, Matched)
        return done.lines

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        await child.end(process)

    async def _ask(self, task: Task, timeout: float) -> Outcome | sitemaps.Sitemap | Matched:
        try:
            question = msgspec.msgpack.encode(task)
        except (UnicodeError, msgspec.MsgspecError) as error:
            raise Stopped(f"it is no text: {error}"[:200]) from None
        async with self._one:
            done = False
            try:
                async with asyncio.timeout(timeout):
                    answer: Answer = msgspec.msgpack.decode(await self._talk(question), type=Answer)
                done = True
            except TimeoutError:
                raise Stopped(f"it was not done within {timeout:g} s") from None
            except (UnicodeError, msgspec.MsgspecError) as error:
                raise Stopped(f"its process said nonsense: {error}"[:200]) from None
            except (OSError, asyncio.IncompleteReadError) as error:
                raise Stopped("the process for it died") from error
            finally:
                if not done:
                    # What it works on now is of no use any more, and its answer would be taken for the next one's.
                    await asyncio.shield(self.close())
        if isinstance(answer, Broken):
            raise Stopped(answer.why)
        return answer

    async def _talk(self, question: bytes) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # What lies in the folder of whoever called us is none of ours.
                "-m",
                "cockpit.probes.aside",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 20,
                start_new_session=True,  # ^C in a terminal is for whoever owns it.
            )
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None
        assert sink is not None
        sink.write(_LENGTH.pack(len(question)) + question)
        await sink.drain()
        (size,) = _LENGTH.unpack(await source.readexactly(_LENGTH.size))
        return await source.readexactly(size)


Task = CompareTask | SitemapTask | MatchTask
Answer = Outcome | sitemaps.Sitemap | Matched | Broken


def work(task: Task) -> Answer:
    """Do one piece of work."""
    match task:
        case CompareTask():
            return outcome(task.old, task.new, task.rules)
        case SitemapTask():
            return sitemaps.read(task.raw)
        case MatchTask():
            pattern = re.compile(task.pattern)
            return Matched(tuple(number for number, line in enumerate(task.lines) if pattern.search(line)))


def _done(raw: bytes) -> Answer:
    try:
        return work(msgspec.msgpack.decode(raw, type=Task))
    except Exception as error:
        return Broken(f"{type(error).__name__}: {error}"[:200])


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer each question of `source` into `sink`, until it ends."""
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(head)
        if size > FRAME:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        answer = msgspec.msgpack.encode(_done(source.read(size)))
        sink.write(_LENGTH.pack(len(answer)) + answer)
        sink.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    serve(sys.stdin.buffer, sys.stdout.buffer)
