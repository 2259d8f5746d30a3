"""Detached jobs: a script that runs on the host whatever becomes of the link, the cockpit or the laptop.

Start is idempotent by the job's name, so that a start whose reply was lost can be sent again. Attaching goes on from byte
offsets: no byte is lost or doubled. The supervisor is plain POSIX sh (`supervisor.sh`), sent with each start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import asyncssh
import msgspec

from cockpit.hosts.pool import HostPool, Unreachable, feed, quoted
from cockpit.text import harmless

Kind = Literal["ended", "gone", "none", "rebooted", "refused", "lost"]
Chunk = Callable[[Literal["out", "err"], bytes], None]


class JobEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands: `ended` with `status`; `gone` without leaving one; `none` there is no such job; `rebooted` the host
    was started anew; `refused` it could not be started; `lost` the host could not be asked any longer."""

    kind: Kind
    status: int | None = None
    detail: str = ""


class Jobs:
    """Starts and follows jobs on the hosts of a pool."""

    def __init__(self, pool: HostPool, patience: float = 60.0) -> None:
        self._pool = pool
        self._patience = patience
        self._supervisor = files("cockpit.hosts").joinpath("supervisor.sh").read_text()

    async def run(self, host: str, job: str, script: bytes, told: Chunk) -> JobEnd:
        """Start the job (once, however often this is called) and follow it to its end, over lost links."""
        return await self._follow(host, job, script, told)

    async def attach(self, host: str, job: str, told: Chunk, begin: Mapping[str, int] | None = None) -> JobEnd:
        """Follow a job without starting it, from its first byte or from `begin` of its `out` and `err`."""
        return await self._follow(host, job, b"", told, begin or {})

    async def cancel(self, host: str, job: str) -> None:
        """End the job's whole process group, gently first. Raises Unreachable."""
        stop = (
            # What has ended is let alone: its number may be another's by now.
            'd=${COCKPIT_JOBS:-$HOME/.cockpit/jobs}/$1; [ -f "$d/pid" ] && [ ! -f "$d/rc" ] || exit 0; '
            'read -r pid rest <"$d/pid"; '
            'kill -s TERM -- "-$pid" 2>/dev/null || kill -s TERM "$pid"; sleep 1; kill -s KILL -- "-$pid" 2>/dev/null; :'
        )
        await self._pool[host].run(f"sh -c {quoted(stop)} cockpit-job {quoted(job)}", timeout=10)

    async def _follow(
        self, host: str, job: str, script: bytes, told: Chunk, begin: Mapping[str, int] = MappingProxyType({})
    ) -> JobEnd:
        offsets = {"O": begin.get("out", 0), "E": begin.get("err", 0)}
        loop = asyncio.get_running_loop()
        lost_since: float | None = None
        while True:
            try:
                found = await self._once(host, job, script, offsets, told)
                if found.kind != "lost":
                    return found
                why = found.detail
            except Unreachable as error:
                why = str(error)
            now = loop.time()
            lost_since = lost_since or now
            if now - lost_since > self._patience:
                return JobEnd(kind="lost", detail=why)
            await asyncio.sleep(0.2)

    async def _once(self, host: str, job: str, script: bytes, offsets: dict[str, int], told: Chunk) -> JobEnd:
        command = f"exec sh -c {quoted(self._supervisor)} cockpit-job {quoted(job)} {len(script)} {offsets['O']} {offsets['E']}"
        async with self._pool[host].process(command, wait=self._patience) as process:
            try:
                feed(process.stdin, script)
                while True:
                    header = await process.stdout.readuntil(b"\n", 4096)
                    word, _, rest = header.strip().partition(b" ")
                    kind = word.decode("ascii", "replace")
                    match kind:
                        case "O" | "E":
                            left = int(rest)
                            while left:
                                piece = await process.stdout.read(min(left, 65536))
                                if not piece:
                                    return JobEnd(kind="lost", detail="the link was lost")
                                left -= len(piece)
                                offsets[kind] += len(piece)
                                told("out" if kind == "O" else "err", piece)
                        case "R":
                            return JobEnd(kind="ended", status=int(rest))
                        case "G":
                            return JobEnd(kind="gone", detail="its process is gone and left no exit status")
                        case "N":
                            return JobEnd(kind="none")
                        case "B":
                            return JobEnd(kind="rebooted", detail="the host was started anew while it ran")
                        case "X":
                            return JobEnd(kind="refused", detail=harmless(rest, 300))
                        case _:
                            return JobEnd(kind="lost", detail=f"the host answered {harmless(header, 100)!r}")
            except (OSError, ValueError, asyncssh.Error, asyncio.IncompleteReadError) as error:
                return JobEnd(kind="lost", detail=f"the link was lost: {harmless(str(error), 200)}")
