"""Warm SSH connections, one a host: opened before they are needed, kept alive, opened again; keys verified always."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import msgspec

from cockpit.clock import Clock
from cockpit.events import Event, HostSeen
from cockpit.plan.model import Host
from cockpit.text import harmless

CHANNELS = 8
"""At once on one connection; OpenSSH's MaxSessions default is 10."""

HANDSHAKES = 8
"""At once over all hosts; OpenSSH's MaxStartups begins to refuse at 10."""

MACHINE_ID = 'cat "${COCKPIT_MACHINE_ID_FILE:-/etc/machine-id}" 2>/dev/null'


class Unreachable(Exception):
    """The host could not be asked; nothing is known of what it does. The sentence says why."""


class TooSlow(Unreachable):
    """The host is there, but the command did not end in its time."""


class WrongHost(Exception):
    """It is not the machine that the plan means. The sentence says what was expected and found."""


class Ran(msgspec.Struct, frozen=True):
    """A finished remote command. `exit` is None when the link was lost before it was told: that is unknown, not success."""

    exit: int | None
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """The first line of what it said, standard error first, harmless."""
        said = (self.err.strip() or self.out.strip()).splitlines()
        return harmless(said[0], 300) if said else ""


class Link:
    """The connection to one host."""

    def __init__(self, host: Host, emit: Callable[[Event], None], clock: Clock, handshakes: asyncio.Semaphore) -> None:
        self.host = host
        self._emit = emit
        self._clock = clock
        self._handshakes = handshakes
        self._channels = asyncio.Semaphore(CHANNELS)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._trouble = "not connected yet"
        self.identity = ""

    async def keep(self) -> None:
        """Hold the connection open until cancelled, with a growing pause between attempts."""
        pause = 0.1
        while True:
            try:
                await self._open()
                pause = 0.1
                self._lost.clear()
                connection = self._connection
                if connection is not None:
                    try:
                        await connection.wait_closed()
                    finally:
                        connection.close()
                self._trouble = "the connection was closed"
            except WrongHost as error:
                self._trouble = str(error)
            except Unreachable as error:
                self._trouble = str(error).removeprefix(f"{self.host.id}: ")
            except (OSError, asyncssh.Error, TimeoutError, ValueError) as error:
                # ValueError: a key, pinned or our own, that cannot be read.
                self._trouble = _why(error)
            self._up.clear()
            self._connection = None
            self._emit(HostSeen(host=self.host.id, link="down", detail=self._trouble))
            await self._clock.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _open(self) -> None:
        # Not asyncio.wait_for: in 3.11 it loses a cancellation that comes together with the result.
        async with self._handshakes, asyncio.timeout(20):
            connection = await asyncssh.connect(**_options(self.host))
        self._connection = connection
        try:
            await self._identify()
        except BaseException:
            connection.abort()
            raise
        self._up.set()
        self._emit(HostSeen(host=self.host.id, link="up", identity=self.identity))

    async def _identify(self) -> None:
        ran = await self._run(MACHINE_ID, b"", 10.0)
        if ran.exit is None:
            raise Unreachable(f"{self.host.id}: the link was lost before it told who it is")
        machine = harmless(ran.out.strip(), 64)
        wanted = self.host.machine_id
        if wanted and machine != wanted:
            raise WrongHost(
                f"{self.host.id}: the plan expects machine-id {wanted}, {self.host.ssh} has {machine or 'none'}"
            )
        key = self._connection.get_server_host_key() if self._connection is not None else None
        print_ = key.get_fingerprint() if key is not None else "?"
        self.identity = f"{print_} {machine}".strip()

    async def connection(self, wait: float = 15.0) -> asyncssh.SSHClientConnection:
        """The open connection. Raises Unreachable after `wait` seconds without one."""
        try:
            async with asyncio.timeout(wait):
                await self._up.wait()
        except TimeoutError:
            raise Unreachable(f"{self.host.id} cannot be reached: {self._trouble}") from None
        if self._connection is None:
            raise Unreachable(f"{self.host.id} cannot be reached: {self._trouble}")
        return self._connection

    @asynccontextmanager
    async def process(self, command: str, wait: float = 15.0) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """A remote command with binary streams and back-pressure. Raises Unreachable."""
        connection = await self.connection(wait)
        async with self._channels:
            try:
                async with asyncio.timeout(20):
                    process = await _channel(connection, command)
            except (OSError, asyncssh.Error, TimeoutError) as error:
                raise Unreachable(f"{self.host.id}: {_why(error)}") from None
            try:
                yield process
            finally:
                process.close()

    async def run(self, command: str, data: bytes = b"", timeout: float = 60.0, limit: int = 1 << 20) -> Ran:
        """Run a command that only reads, to its end. Output over `limit` bytes a stream is left out. Raises Unreachable."""
        await self.connection()
        async with self._channels:
            return await self._run(command, data, timeout, limit)

    async def _run(self, command: str, data: bytes, timeout: float, limit: int = 1 << 20) -> Ran:
        connection = self._connection
        if connection is None:
            raise Unreachable(f"{self.host.id} cannot be reached: {self._trouble}")
        try:
            async with asyncio.timeout(timeout):
                process = await _channel(connection, command)
                try:
                    feed(process.stdin, data)
                    out, err = await asyncio.gather(_take(process.stdout, limit), _take(process.stderr, limit))
                    await process.wait_closed()
                    return Ran(process.exit_status, out, err)
                finally:
                    process.close()
        except TimeoutError:
            raise TooSlow(f"{self.host.id} did not answer within {timeout:.0f} s") from None
        except (OSError, asyncssh.Error) as error:
            raise Unreachable(f"{self.host.id}: {_why(error)}") from None


class HostPool:
    """The links to all hosts of a plan. `run` keeps them open until cancelled."""

    def __init__(self, hosts: Mapping[str, Host], emit: Callable[[Event], None], clock: Clock) -> None:
        # asyncssh logs each refused key; the sentence is in the event already.
        asyncssh.set_log_level("CRITICAL")
        handshakes = asyncio.Semaphore(HANDSHAKES)
        self._links = {id: Link(host, emit, clock, handshakes) for id, host in hosts.items()}

    def __getitem__(self, host: str) -> Link:
        return self._links[host]

    async def run(self) -> None:
        """Own every connection until cancelled."""
        async with asyncio.TaskGroup() as group:
            for link in self._links.values():
                group.create_task(link.keep(), name=f"link to {link.host.id}")


def feed(stdin: asyncssh.SSHWriter[bytes], data: bytes) -> None:
    """All of a command's input, and its end. A command that has ended already needs none: its exit status tells."""
    with contextlib.suppress(BrokenPipeError):
        stdin.write(data)
        stdin.write_eof()


async def _channel(connection: asyncssh.SSHClientConnection, command: str) -> asyncssh.SSHClientProcess[bytes]:
    """Open a channel. A server frees a session a moment after its command ended, so a refusal is asked again a few times."""
    for attempt in range(1, 6):
        try:
            return await connection.create_process(command, encoding=None)
        except asyncssh.ChannelOpenError:
            if attempt == 5:
                raise
        await asyncio.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")


async def _take(stream: asyncssh.SSHReader[bytes], limit: int) -> bytes:
    kept = bytearray()
    while chunk := await stream.read(65536):
        kept += chunk[: max(0, limit - len(kept))]
    return bytes(kept)


def _options(host: Host) -> dict[str, Any]:
    user, at, rest = host.ssh.rpartition("@")
    name, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit():
        name, port = rest, ""
    options: dict[str, Any] = {
        "host": name,
        "keepalive_interval": 5,
        "keepalive_count_max": 3,
    }
    if at:
        options["username"] = user
    if port:
        options["port"] = int(port)
    if host.identity_file:
        options["client_keys"] = [host.identity_file]
        options["agent_path"] = None
    if host.host_key:
        options["known_hosts"] = ([asyncssh.import_public_key(host.host_key)], [], [])
    elif host.known_hosts:
        options["known_hosts"] = host.known_hosts
    return options


def _why(error: BaseException) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"its host key is not the one that is known or pinned ({error.reason}); nothing was sent"
    if isinstance(error, asyncssh.PermissionDenied):
        return f"it refused our key: {error.reason}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return harmless(str(error).strip() or type(error).__name__, 300)


def quoted(text: str) -> str:
    """A shell word."""
    return shlex.quote(text)
