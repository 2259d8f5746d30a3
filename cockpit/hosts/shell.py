"""One long-lived remote `sh` for what only reads: a script costs one round trip and no new process on the server's side.

A script runs in a subshell of its own, from the shell's standard input: it is in no argument list, it cannot end the shell,
and its variables are gone afterwards. Its output is framed by a token that it does not know.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncssh
import msgspec

from cockpit.text import harmless

Opener = Callable[[str], AbstractAsyncContextManager[asyncssh.SSHClientProcess[bytes]]]
"""Opens a process on the host for a command."""

SHELLS = 2
"""At once on one host; each holds a channel."""


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


class ShellLost(Exception):
    """The shell went away before it answered."""


class RemoteShell:
    """One remote shell, for one script at a time."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process
        self.pid = 0

    async def begin(self) -> None:
        """Learn its process number. Raises ShellLost."""
        ran = await self.run("echo $$", 4096)
        self.pid = int(ran.out) if ran.out.strip().isdigit() else 0

    async def run(self, script: str | bytes, limit: int) -> Ran:
        """Run a script to its end. Output over `limit` bytes a stream is left out. Raises ShellLost; after a cancellation the
        shell is of no more use."""
        token = secrets.token_hex(12)
        text = script.encode("utf-8", "surrogateescape") if isinstance(script, str) else script
        quoted = b"'" + text.replace(b"'", b"'\\''") + b"'"
        mark = token.encode()
        frame = (
            b"printf '\\n%s\\n' "
            + mark
            + b"; printf '\\n%s\\n' "
            + mark
            + b" >&2; (eval "
            + quoted
            + b"\n) </dev/null\n"
            b"r=$?; printf '\\n%s %s\\n' " + mark + b" $r; printf '\\n%s %s\\n' " + mark + b" $r >&2\n"
        )
        try:
            self._process.stdin.write(frame)
            (out, status), (err, _) = await asyncio.gather(
                _framed(self._process.stdout, mark, limit), _framed(self._process.stderr, mark, limit)
            )
        except (asyncssh.Error, OSError, ValueError) as error:
            raise ShellLost(harmless(str(error), 200) or "the shell went away") from None
        return Ran(status, out, err)


async def _framed(stream: asyncssh.SSHReader[bytes], mark: bytes, limit: int) -> tuple[bytes, int]:
    """What comes between the two marks, and the number behind the second."""
    begins, ends = b"\n" + mark + b"\n", b"\n" + mark + b" "
    rest = b""
    while begins not in rest:
        chunk = await stream.read(65536)
        if not chunk:
            raise ShellLost("the shell went away")
        rest = (rest + chunk)[-len(chunk) - len(begins) :]
    rest = rest.partition(begins)[2]
    kept = bytearray()
    while True:
        found = rest.find(ends)
        if found >= 0 and b"\n" in rest[found + len(ends) :]:
            kept += rest[: min(found, limit - len(kept))]
            return bytes(kept), int(rest[found + len(ends) :].partition(b"\n")[0])
        if found < 0:
            # What could be the beginning of the mark stays.
            over = max(0, len(rest) - len(ends))
            kept += rest[: min(over, limit - len(kept))]
            rest = rest[over:]
        elif len(rest) - found > 4096:
            raise ShellLost("it answered no status")
        chunk = await stream.read(65536)
        if not chunk:
            raise ShellLost("the shell went away")
        rest += chunk


class Shells:
    """The long-lived shells of one host. `open` opens a process, `kill` sees to it that a process group on
    the host ends."""

    def __init__(self, open: Opener, kill: Callable[[int], None]) -> None:
        self._open = open
        self._kill = kill
        self._free: list[_Kept | None] = [None] * SHELLS
        self._generation = 0

    @property
    def free(self) -> bool:
        """Whether a script could run at once."""
        return bool(self._free)

    def forget(self) -> None:
        """The link is gone, and every shell with it."""
        self._generation += 1

    async def run(self, script: str | bytes, timeout: float, limit: int) -> Ran:
        """Run a script in a free shell; there must be one. Raises TimeoutError after `timeout` seconds, ShellLost, and what
        `open` raises."""
        kept = self._free.pop()
        async with asyncio.timeout(timeout):
            try:
                kept = await self._fresh(kept)
                ran = await kept.shell.run(script, limit)
            except BaseException:
                # Nobody knows what it still does: it is ended, and the next one gets a new shell.
                self._free.insert(0, None)
                if kept is not None:
                    await self._drop(kept)
                raise
            self._free.append(kept)
            return ran

    async def _fresh(self, kept: _Kept | None) -> _Kept:
        if kept is not None and kept.generation == self._generation:
            return kept
        if kept is not None:
            await kept.close()
        context = self._open("exec sh")
        process = await context.__aenter__()
        made = _Kept(context, RemoteShell(process), self._generation)
        try:
            await made.shell.begin()
        except BaseException:
            await made.close()
            raise
        return made

    async def _drop(self, kept: _Kept) -> None:
        if kept.generation == self._generation and kept.shell.pid:
            self._kill(kept.shell.pid)
        await kept.close()

    async def close(self) -> None:
        """Let go of every shell."""
        for kept in self._free:
            if kept is not None:
                await kept.close()
        self._free = [None] * len(self._free)


class _Kept:
    """A shell with the context that holds its channel."""

    def __init__(
        self,
        context: AbstractAsyncContextManager[asyncssh.SSHClientProcess[bytes]],
        shell: RemoteShell,
        generation: int,
    ) -> None:
        self._context = context
        self.shell = shell
        self.generation = generation

    async def close(self) -> None:
        await self._context.__aexit__(None, None, None)
