"""The link to one host: warm connections, opened before they are needed, verified always, kept alive and opened again."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncssh

from cockpit.clock import Clock
from cockpit.events import Event, HostSeen
from cockpit.hosts import become
from cockpit.hosts.access import Access, Refused, Wanted
from cockpit.hosts.dial import HANDSHAKE, Dialler, Others
from cockpit.hosts.errors import TooSlow, Unreachable, WrongHost, why
from cockpit.hosts.identity import IDENTITY, Identity, mismatch, read_identity
from cockpit.hosts.line import Line, Process
from cockpit.hosts.shell import Ran, ShellLost, Shells
from cockpit.plan.model import Host

LINES = 3
"""Connections to one host at most: the first is always open, another is opened when its channels run out."""

HEARTBEAT = 2.0
SILENT = 3.0
"""Seconds without an answer after which the screen says that the host is silent."""

DEAD = 15.0
"""Seconds without an answer after which the connection is given up."""


class Link:
    """The connections to one host."""

    def __init__(
        self,
        host: Host,
        emit: Callable[[Event], None],
        clock: Clock,
        handshakes: asyncio.Semaphore,
        access: Access,
        others: Others,
    ) -> None:
        self.host = host
        self.identity = ""
        self.seen: Identity | None = None
        self.fence = "'' ''"
        """The words that a job's supervisor is given to tell whether the host is still ours."""
        self._emit = emit
        self._clock = clock
        self._access = access
        self._others = others
        self._dialler = Dialler(host, emit, handshakes, access, others)
        self._lines: list[Line] = []
        self._spare = asyncio.Lock()
        self._freed = asyncio.Condition()
        self._up = asyncio.Event()
        self._trouble = "not connected yet"
        self._wrong: WrongHost | None = None
        self._shells = Shells(self.process, self._end_group)
        self._chores: set[asyncio.Task[None]] = set()
        self._password = False

    # --- keeping ------------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Hold the connection open until cancelled, with a growing pause between attempts."""
        pause = 0.1
        try:
            while True:
                try:
                    await self._open()
                    pause = 0.1
                    await self._hold()
                except WrongHost as error:
                    self._wrong, self._trouble = error, str(error).removeprefix(f"{self.host.id}: ")
                except (Unreachable, Refused, become.NotAllowed) as error:
                    self._trouble = str(error).removeprefix(f"{self.host.id}: ")
                except (OSError, asyncssh.Error, TimeoutError, ValueError) as error:
                    # ValueError: a key, pinned or our own, that cannot be read.
                    self._trouble = why(error)
                self._fall()
                self._emit(HostSeen(host=self.host.id, link="down", detail=self._trouble))
                await self._clock.sleep(pause)
                pause = min(pause * 2, 5.0)
        finally:
            for chore in self._chores:
                chore.cancel()
            await asyncio.gather(*self._chores, return_exceptions=True)
            await self._shells.close()
            self._fall()

    async def _open(self) -> None:
        line = await self._dialler.connect()
        self._lines.append(line)
        try:
            await self._may_become(line)
            await self._identify(await self._plain(line, IDENTITY, 10.0))
        except BaseException:
            self._fall()
            raise
        self._wrong = None
        self._up.set()
        self._emit(HostSeen(host=self.host.id, link="up", identity=self.identity))

    async def _hold(self) -> None:
        """Until the connection is gone, or has not answered for too long."""
        line = self._lines[0]
        closed = asyncio.ensure_future(line.wait_closed())
        beating = asyncio.ensure_future(self._beat())
        try:
            await asyncio.wait({closed, beating}, return_when=asyncio.FIRST_COMPLETED)
            if beating.done() and not beating.cancelled():
                beating.result()
            self._trouble = await closed
        finally:
            for task in (closed, beating):
                task.cancel()
            await asyncio.gather(closed, beating, return_exceptions=True)

    async def _beat(self) -> None:
        """Ask the host whether it is there. Returns when it has not answered for too long, by raising Unreachable."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            if not self._shells.free:
                # What occupies the shells has a time-out of its own, and asyncssh's keep-alives watch the line.
                continue
            asking = asyncio.ensure_future(self._shells.run(":", DEAD, 64))
            try:
                done, _ = await asyncio.wait({asking}, timeout=SILENT)
                if not done:
                    self._emit(HostSeen(host=self.host.id, link="silent", detail="no answer", identity=self.identity))
                    await asyncio.wait({asking})
                    if asking.exception() is None:
                        self._emit(HostSeen(host=self.host.id, link="up", identity=self.identity))
                error = asking.exception()
                if isinstance(error, TimeoutError):
                    raise Unreachable(f"{self.host.id}: no answer for {DEAD:.0f} s")
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    def _fall(self) -> None:
        """Nothing is open any more."""
        self._up.clear()
        self._shells.forget()
        for line in self._lines:
            line.abort()
        self._lines.clear()

    async def _may_become(self, line: Line) -> None:
        """Find out whether becoming the other account needs a password, and have it before any step begins. Raises
        NotAllowed, Refused."""
        host = self.host
        if not host.become:
            return
        ran = await self._plain(line, ":", 20.0)
        if ran.exit == 0:
            self._password = False
            return
        name = f"password for {host.become} on {host.id}"
        for _ in range(3):
            if self._access.password(name) is None:
                self._emit(HostSeen(host=host.id, link="connecting", detail=f"waits for you: {name}"))
                await self._access.learn(Wanted(name, f"{name} is needed: {ran.text}"))
            self._password = True
            try:
                async with asyncio.timeout(60), self._on(line, ":") as process:
                    if (await _to_its_end(process, b"", 4096)).exit == 0:
                        return
            except become.NotAllowed:
                pass
            self._access.forget(name, self._access.password(name))
        raise Refused(f"{host.id}: {host.become} refused the password")

    async def _identify(self, ran: Ran) -> None:
        if ran.exit is None:
            raise Unreachable(f"{self.host.id}: the link was lost before it told who it is")
        found = read_identity(ran.out)
        wrong = mismatch(self.host, found, self.seen, self._others.machines)
        if wrong:
            raise WrongHost(wrong)
        self.seen = found
        key = self._lines[0].connection.get_server_host_key() if self._lines else None
        print_ = key.get_fingerprint() if key is not None else "?"
        self.identity = f"{print_} {found.machine}".strip()

    async def prove(self) -> None:
        """Ask the host again who it is, before a step. Raises WrongHost, Unreachable."""
        await self._identify(await self.ask(IDENTITY, 10.0))

    # --- using --------------------------------------------------------------------------------------------------------

    @property
    def limits(self) -> tuple[str, ...]:
        """Sentences about what ssh_config asks for and we do not do."""
        return self._dialler.limits

    @property
    def jobs(self) -> str:
        """Shell text that says where the host keeps its jobs."""
        return f"COCKPIT_JOBS={quoted(self.host.jobs)}; export COCKPIT_JOBS; " if self.host.jobs else ""

    @property
    def is_up(self) -> bool:
        """Whether a connection is open now."""
        return self._up.is_set()

    async def connection(self, wait: float = 15.0) -> asyncssh.SSHClientConnection:
        """The open connection. Raises Unreachable after `wait` seconds without one, WrongHost at once."""
        return (await self._first(wait)).connection

    async def _first(self, wait: float) -> Line:
        if not self._lines and self._wrong is not None:
            raise self._wrong
        try:
            async with asyncio.timeout(wait):
                await self._up.wait()
        except TimeoutError:
            if self._wrong is not None:
                raise self._wrong from None
            raise Unreachable(f"{self.host.id} cannot be reached: {self._trouble}") from None
        if not self._lines:
            raise Unreachable(f"{self.host.id} cannot be reached: {self._trouble}")
        return self._lines[0]

    async def _reserve(self, wait: float) -> Line:
        """A line with room for a channel more; opens another connection when all are full."""
        while True:
            await self._first(wait)
            for line in self._lines:
                if line.take():
                    return line
            if len(self._lines) < LINES and not self._spare.locked():
                async with self._spare:
                    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError, Unreachable, Refused):
                        extra = await self._dialler.connect()
                        if self._up.is_set():
                            self._lines.append(extra)
                            continue
                        extra.abort()
            async with self._freed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await self._freed.wait()

    async def _release(self, line: Line) -> None:
        line.give_back()
        async with self._freed:
            self._freed.notify_all()

    @asynccontextmanager
    async def process(self, command: str, wait: float = 15.0) -> AsyncIterator[Process]:
        """A remote command with binary streams and back-pressure, as the plan's account. Raises Unreachable, WrongHost."""
        until = time.monotonic() + wait
        while True:
            line = await self._reserve(wait)
            try:
                context = self._on(line, command)
                try:
                    process = await context.__aenter__()
                except asyncssh.ChannelOpenError as error:
                    # A connection that has just gone took nothing: the next one is asked.
                    if line.full() or (line.connection.is_closed() and time.monotonic() < until):
                        await asyncio.sleep(0.05)
                        continue
                    raise Unreachable(f"{self.host.id}: {why(error)}") from None
                except (OSError, asyncssh.Error, TimeoutError, become.NotAllowed) as error:
                    raise Unreachable(f"{self.host.id}: {why(error)}") from None
                try:
                    yield process
                finally:
                    await context.__aexit__(None, None, None)
                return
            finally:
                await self._release(line)

    @asynccontextmanager
    async def _on(self, line: Line, command: str) -> AsyncIterator[Process]:
        """The command on that line, as the plan's account."""
        if self._password:
            password = self._access.password(f"password for {self.host.become} on {self.host.id}") or ""
            async with become.with_password(self.host, command, password, line.open) as process:
                yield process
            return
        async with asyncio.timeout(HANDSHAKE):
            process = await line.open(become.without_password(self.host, command), False)
        try:
            yield process
        finally:
            process.close()

    async def run(self, command: str, data: bytes = b"", timeout: float = 60.0, limit: int = 1 << 20) -> Ran:
        """Run a command that only reads, on a channel of its own, to its end. Output over `limit` bytes a stream is left out.
        Raises Unreachable."""
        await self._first(15.0)
        try:
            async with asyncio.timeout(timeout), self.process(command) as process:
                return await _to_its_end(process, data, limit)
        except TimeoutError:
            raise TooSlow(f"{self.host.id} did not answer within {timeout:.0f} s") from None
        except (OSError, asyncssh.Error) as error:
            raise Unreachable(f"{self.host.id}: {why(error)}") from None

    async def ask(self, script: str | bytes, timeout: float = 60.0, limit: int = 1 << 20) -> Ran:
        """Run a script that only reads, through the long-lived shell where that is free. Raises Unreachable, WrongHost."""
        await self._first(15.0)
        if not self._shells.free:
            text = script.encode("utf-8", "surrogateescape") if isinstance(script, str) else script
            return await self.run("exec sh -s", text, timeout, limit)
        try:
            return await self._shells.run(script, timeout, limit)
        except TimeoutError:
            raise TooSlow(f"{self.host.id} did not answer within {timeout:.0f} s") from None
        except ShellLost as error:
            raise Unreachable(f"{self.host.id}: {error}") from None

    async def _plain(self, line: Line, script: str, timeout: float) -> Ran:
        """Run a script on a connection that is not up yet, as the plan's account."""
        async with asyncio.timeout(timeout), self._on(line, "exec sh -s") as process:
            return await _to_its_end(process, script.encode(), 1 << 16)

    def _end_group(self, pid: int) -> None:
        """A script ran over its time: what it started is ended on the host, when that can still be reached."""

        async def end() -> None:
            with contextlib.suppress(Unreachable, WrongHost):
                await self.run(
                    f"kill -s KILL -- -{pid} 2>/dev/null || kill -s KILL -{pid} 2>/dev/null || kill -s KILL {pid}",
                    timeout=5,
                )

        chore = asyncio.create_task(end())
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)


async def _to_its_end(process: Process, data: bytes, limit: int) -> Ran:
    feed(process.stdin, data)
    out, err = await asyncio.gather(_take(process.stdout, limit), _take(process.stderr, limit))
    await process.wait_closed()
    return Ran(process.exit_status, out, err)


async def _take(stream: asyncssh.SSHReader[bytes], limit: int) -> bytes:
    kept = bytearray()
    while chunk := await stream.read(65536):
        kept += chunk[: max(0, limit - len(kept))]
    return bytes(kept)


def feed(stdin: asyncssh.SSHWriter[bytes], data: bytes) -> None:
    """All of a command's input, and its end. A command that has ended already needs none: its exit status tells."""
    with contextlib.suppress(BrokenPipeError):
        stdin.write(data)
        stdin.write_eof()


def quoted(text: str) -> str:
    """A shell word."""
    return shlex.quote(text)
