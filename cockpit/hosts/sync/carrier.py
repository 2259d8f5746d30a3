"""How a sync's bytes travel: straight from host to host under a one-time key or a forwarded agent, or through us.

Either way rsync runs on the target and asks the source for one of a few words; what each word runs there is ours to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

import asyncssh
import msgspec

from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import parts
from cockpit.hosts.sync.bucket import Bucket
from cockpit.hosts.sync.facts import Facts
from cockpit.hosts.sync.once import Once
from cockpit.plan.model import Host, Sync
from cockpit.text import harmless

Kind = Literal["agent", "key", "relay"]
CHUNK = 256 * 1024
MOST = 256 << 20
"""Bytes of differences that are read; about two million lines."""

_LINES = re.compile(rb"[\r\n]+")


class Route(msgspec.Struct, frozen=True):
    """What was picked, and why in words."""

    kind: Kind
    why: str


class NoRoute(Exception):
    """The way that the plan asks for cannot be gone. The sentence says why."""


class Carrier:
    """A way that is open. `name` is that of its private folder on the target."""

    def __init__(
        self,
        pool: HostPool,
        action: Sync,
        route: Route,
        once: Once,
        commands: Mapping[str, tuple[str, str]],
        bucket: Bucket,
    ) -> None:
        self._pool, self._action, self._commands, self._bucket = pool, action, commands, bucket
        self.route, self.once = route, once

    @property
    def relay(self) -> bool:
        """Whether the bytes pass through the cockpit."""
        return self.route.kind == "relay"

    def rsh(self, word: str) -> str:
        """rsync's option for its remote shell."""
        return parts.rsh(self.once.name, word, self.relay)

    async def run(self, word: str, script: str, told: Callable[[bytes], None]) -> int | None:
        """Run a script on the target whose rsync asks for `word`; its lines go to `told`. Returns its exit status, None when
        the link was lost. Raises Unreachable."""
        async with self._pool[self._action.target].process(f"exec sh -c {quoted(script)} cockpit-sync") as pulling:
            if not self.relay:
                pulling.stdin.write_eof()
                await _watch(pulling.stderr, told)
                await pulling.wait_closed()
                return pulling.exit_status
            command, path = self._commands[word]
            serve = f"cd && exec {command} . {quoted(parts.below(path))}"
            async with self._pool[self._action.source].process(f"exec sh -c {quoted(serve)}") as sending:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(pulling.stdout, sending.stdin, Bucket()))
                    group.create_task(_pump(sending.stdout, pulling.stdin, self._bucket))
                    group.create_task(_watch(pulling.stderr, told))
                    group.create_task(_watch(sending.stderr, told))
                await pulling.wait_closed()
                return pulling.exit_status


@asynccontextmanager
async def carrying(
    pool: HostPool,
    action: Sync,
    facts: Facts,
    name: str,
    commands: Mapping[str, tuple[str, str]],
    bucket: Bucket,
    known: dict[tuple[str, str, str], Route],
    keep: bool = False,
) -> AsyncIterator[Carrier]:
    """Open a way for one op: the plan's, or the best that works. What works is remembered in `known`; with `keep`, what was
    opened stays when the op is cancelled, since its job runs on. Raises NoRoute and Unreachable."""
    once = Once(pool, action.source, action.target, name)
    at = (action.source, action.target, action.via)
    route = known.get(at) or _by_facts(action, facts)
    if route is None or route.kind != "relay":
        kind: Kind = route.kind if route is not None else "agent" if action.via == "agent" else "key"
        try:
            await once.open(_named(pool, action), kind, parts.serve(commands), bucket.rate // 1024)
            why = "" if route is not None else await _hello(pool, action, name)
        except (Unreachable, asyncssh.Error, OSError, ValueError) as error:
            why = harmless(str(error), 300)
        if not why:
            route = route or Route(kind, _why(kind, action))
            known[at] = route
        else:
            with contextlib.suppress(Unreachable):
                await once.close()
            known.pop(at, None)
            if action.via != "auto":
                raise NoRoute(f"{action.target} cannot copy from {action.source} by {kind}: {why}")
            route = known[at] = Route("relay", f"{action.target} cannot reach {action.source} by a one-time key: {why}")
    assert route is not None
    carrier = Carrier(pool, action, route, once, commands, bucket)
    if route.kind == "relay":
        yield carrier
        return
    try:
        yield carrier
    except asyncio.CancelledError:
        if not keep:
            # What is left expires by itself, and the next op's name is another.
            with contextlib.suppress(Unreachable):
                await asyncio.shield(once.close())
        raise
    except BaseException:
        with contextlib.suppress(Unreachable):
            await once.close()
        raise
    await once.close()


def _named(pool: HostPool, action: Sync) -> Host:
    host = pool[action.source].host
    return msgspec.structs.replace(host, address=action.at) if action.at else host


def _by_facts(action: Sync, facts: Facts) -> Route | None:
    """The relay, where nothing else can be; None where it has to be tried."""
    if action.via == "relay":
        return Route("relay", "the plan says so")
    why = ""
    if not facts.target.ssh:
        why = f"{action.target} has no ssh client"
    elif action.via == "auto" and not facts.source.keys:
        why = f"{action.source} has no ~/.ssh/authorized_keys that could take a one-time key"
    if not why:
        return None
    if action.via != "auto":
        raise NoRoute(f"{action.target} cannot copy from {action.source} by {action.via}: {why}")
    return Route("relay", why)


def _why(kind: Kind, action: Sync) -> str:
    if kind == "agent":
        return "the plan says so; the agent was forwarded for the handshake only"
    picked = "the plan says so" if action.via == "key" else f"{action.target} reaches {action.source}"
    return f"{picked}; the key opens this one copy and is removed after it"


async def _hello(pool: HostPool, action: Sync, name: str) -> str:
    """'' when the target gets through to the source, else why not."""
    ran = await pool[action.target].run(
        f"cd && exec sh {quoted(f'{parts.ONCE}/{name}/rsh')} hello </dev/null", b"", 30.0
    )
    if ran.exit == 0 and ran.out.strip() == b"cockpit":
        return ""
    return ran.text or "it was not let in"


async def _pump(source: asyncssh.SSHReader[bytes], target: asyncssh.SSHWriter[bytes], bucket: Bucket) -> None:
    try:
        while chunk := await source.read(CHUNK):
            await bucket.take(len(chunk))
            target.write(chunk)
            await target.drain()
        target.write_eof()
        await target.drain()
    except (asyncssh.Error, OSError):
        pass  # The exit status, or its absence, tells what that means.


async def _watch(stream: asyncssh.SSHReader[bytes], told: Callable[[bytes], None]) -> None:
    rest, size = b"", 0
    while chunk := await stream.read(65536):
        size += len(chunk)
        if size > MOST:
            raise Unreachable("there are too many differences to read them all")
        pieces = _LINES.split(rest + chunk)
        rest = pieces.pop()[-65536:]
        for piece in pieces:
            if piece:
                told(piece)
    if rest:
        told(rest)
