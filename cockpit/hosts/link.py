"""The link to one host: warm connections, opened before they are needed, verified always, kept alive and opened again."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import msgspec

from cockpit.clock import Clock
from cockpit.events import Event, HostSeen
from cockpit.hosts import become, sshconfig
from cockpit.hosts.access import Access, Client, Refused, Wanted
from cockpit.hosts.hostkey import Trust, refusal
from cockpit.hosts.identity import IDENTITY, Identity, mismatch, read_identity
from cockpit.hosts.line import Line, Process
from cockpit.hosts.shell import Ran, ShellLost, Shells
from cockpit.plan.model import Host
from cockpit.text import harmless

LINES = 3
"""Connections to one host at most: the first is always open, another is opened when its channels run out."""

HEARTBEAT = 2.0
SILENT = 3.0
"""Seconds without an answer after which the screen says that the host is silent."""

DEAD = 15.0
"""Seconds without an answer after which the connection is given up."""

HANDSHAKE = 20.0


class Unreachable(Exception):
    """The host could not be asked; nothing is known of what it does. The sentence says why."""


class TooSlow(Unreachable):
    """The host is there, but the command did not end in its time."""


class WrongHost(Unreachable):
    """It is not the machine that the plan means. The sentence says what was expected and found."""


class Others(msgspec.Struct, frozen=True):
    """What the plan says of all its hosts, by id, to tell a swap: pinned key fingerprints and machine-ids."""

    prints: Mapping[str, tuple[str, ...]] = {}
    machines: Mapping[str, str] = {}


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
        self._handshakes = handshakes
        self._access = access
        self._others = others
        self._lines: list[Line] = []
        self._spare = asyncio.Lock()
        self._freed = asyncio.Condition()
        self._up = asyncio.Event()
        self._trouble = "not connected yet"
        self._wrong: WrongHost | None = None
        self._settings: sshconfig.Settings | None = None
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
        line = await self._connect()
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
            self._trouble = "the connection was closed"
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

    # --- connecting ---------------------------------------------------------------------------------------------------

    async def _connect(self) -> Line:
        """One connection more, through the jump hosts. Asks a person for what is missing, and tries again with it. Raises
        WrongHost, Unreachable, Refused and what asyncssh raises."""
        asked: Counter[str] = Counter()
        while True:
            try:
                return await self._attempt()
            except Wanted as wanted:
                asked[wanted.name] += 1
                if asked[wanted.name] > 3:
                    raise Refused(f"{wanted.question}: what was given was refused three times") from None
                self._emit(HostSeen(host=self.host.id, link="connecting", detail=f"waits for you: {wanted.question}"))
                await self._access.learn(wanted)

    async def _attempt(self) -> Line:
        config = self.host.ssh_config
        settings = await self._look_up()
        hops: list[asyncssh.SSHClientConnection] = []
        try:
            for jump in settings.jumps:
                through = await sshconfig.look_up(jump, config)
                trust = Trust("", through.known_hosts)
                hops.append(await self._handshake(through, trust, hops[-1] if hops else None, jump))
            trust = Trust(
                self.host.host_key, (self.host.known_hosts,) if self.host.known_hosts else settings.known_hosts
            )
            connection = await self._handshake(settings, trust, hops[-1] if hops else None, self.host.id)
        except BaseException:
            for hop in hops:
                hop.abort()
            raise
        return Line(connection, hops)

    async def _look_up(self) -> sshconfig.Settings:
        if self._settings is None:
            found = await sshconfig.look_up(self.host.ssh, self.host.ssh_config)
            if self.host.identity_file:
                if not Path(self.host.identity_file).exists():
                    raise FileNotFoundError(f"{self.host.id}: identity_file {self.host.identity_file}: No such file")
                only = (self.host.identity_file,)
                found = msgspec.structs.replace(found, identity_files=only, identities_only=True)
            self._settings = found
        return self._settings

    @property
    def limits(self) -> tuple[str, ...]:
        """Sentences about what ssh_config asks for and we do not do."""
        return self._settings.limits if self._settings is not None else ()

    async def _handshake(
        self, settings: sshconfig.Settings, trust: Trust, tunnel: asyncssh.SSHClientConnection | None, name: str
    ) -> asyncssh.SSHClientConnection:
        while True:
            client = Client(trust, self._access, settings, name)
            options = await self._access.options(settings, client)
            try:
                # Not asyncio.wait_for: in 3.11 it loses a cancellation that comes together with the result.
                async with self._handshakes, asyncio.timeout(settings.connect_timeout or HANDSHAKE):
                    return await asyncssh.connect(**options, **({} if tunnel is None else {"tunnel": tunnel}))
            except asyncssh.HostKeyNotVerifiable as error:
                offered = client.offered
                if offered is None:
                    raise WrongHost(
                        f"{name}: its host key is refused ({harmless(error.reason, 200)}); nothing was sent"
                    ) from None
                if offered.standing != "unknown" or not await self._first_meeting(name, settings, trust, client):
                    raise WrongHost(refusal(name, offered, self._others.prints)) from None
            except asyncssh.DisconnectError:
                # Refused, or cut off after too many tries.
                if client.wanted is not None:
                    raise client.wanted from None
                raise

    async def _first_meeting(self, name: str, settings: sshconfig.Settings, trust: Trust, client: Client) -> bool:
        """A key that nobody knows yet: only a person who compared its fingerprint can let it in."""
        offered = client.offered
        assert offered is not None
        question = (
            f"{name} ({settings.hostname}) shows a host key for the first time: {offered.found}. "
            "Compare it on the host itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
        )
        self._emit(HostSeen(host=self.host.id, link="connecting", detail=f"waits for you: host key {offered.found}"))
        if not await self._access.confirm(f"host key of {name} {offered.found}", question):
            return False
        trust.accept(settings.alias or settings.asked, settings.port, offered)
        return True

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
                        extra = await self._connect()
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


def why(error: BaseException) -> str:
    """What went wrong with a connection, as words for a sentence."""
    if isinstance(error, asyncssh.PermissionDenied):
        return f"it refused our key: {harmless(error.reason, 200)}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return harmless(str(error).strip() or type(error).__name__, 300)


def quoted(text: str) -> str:
    """A shell word."""
    return shlex.quote(text)
