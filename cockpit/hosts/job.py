"""Detached jobs: a script that runs on the host whatever becomes of the link, the cockpit or the laptop.

Start is idempotent by the job's name, so that a start whose reply was lost can be sent again. Attaching goes on from byte
offsets: no byte is lost or doubled. The supervisor is plain POSIX sh (`supervisor.sh`), sent with each start.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, Protocol

import asyncssh
import msgspec

from cockpit.hosts.errors import Unreachable, WrongHost
from cockpit.hosts.link import Link, feed, quoted
from cockpit.text import harmless

Kind = Literal["ended", "gone", "none", "rebooted", "refused", "fenced", "lost"]
Chunk = Callable[[Literal["out", "err"], bytes], None]

_FOLDER = (
    "jobs=${COCKPIT_JOBS:-$HOME/.cockpit/jobs}; job=$jobs/$1; boot=none; "
    "{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null; "
)

# What has ended is let alone: its number may be another's by now.
CANCEL = (
    _FOLDER
    + r"""
run=$(readlink "$job/run" 2>/dev/null) && [ ! -L "$job/rc" ] && [ "${run##*:}" = "$boot" ] || exit 0
pid=${run%%:*} began=${run#*:} stat=
{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null
set -- ${stat##*) }
[ "${20:-0}" = "${began%%:*}" ] || exit 0
# dash wants the two dashes before the number of a group. busybox calls them an error, yet signals what follows them: which is
# right is tried with 0, so that nobody is told twice.
if kill -s 0 -- "-$pid" 2>/dev/null; then dashes=--; else dashes=; fi
group() { kill -s "$1" $dashes "-$pid" 2>/dev/null; }
group TERM || kill -s TERM "$pid"
tries=0
while [ $tries -lt 30 ] && group 0 && [ ! -L "$job/rc" ]; do
    tries=$((tries + 1)); sleep 0.1 2>/dev/null || sleep 1
done
group KILL
:"""
)

# A job of another run is old when its folder was not touched for two weeks.
_CLEAN = (
    _FOLDER
    + r"""
cd "$jobs" 2>/dev/null || exit 0
for one in "$1".*; do
    [ -L "$one/rc" ] && rm -rf "./$one"
done
find . -mindepth 1 -maxdepth 1 -type d -mtime +14 -exec sh -c '[ -L "$1/rc" ] && rm -rf "$1"' old {} \; 2>/dev/null
rmdir "$jobs" 2>/dev/null
:"""
)


class JobEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands: `ended` with `status`; `gone` without leaving one; `none` there is no such job; `rebooted` the host
    was started anew; `refused` it could not be started; `fenced` another run holds the host; `lost` the host could not be
    asked any longer."""

    kind: Kind
    status: int | None = None
    detail: str = ""


def status_words(status: int) -> str:
    """An exit status in words, `ended with 3` or `killed by 9 (SIGKILL)`: a shell tells a signal as 128 and its number."""
    if 128 < status <= 128 + 64:
        try:
            return f"killed by {status - 128} ({signal.Signals(status - 128).name})"
        except ValueError:
            return f"killed by {status - 128}"
    return f"ended with {status}"


class Links(Protocol):
    """Links by host id."""

    def __getitem__(self, host: str) -> Link: ...


def status_of(word: bytes) -> int:
    """The exit status that a host tells. Raises ValueError for what no process can end with."""
    if not word.isdigit() or int(word) > 255:
        raise ValueError(f"{harmless(word, 40)!r} is no exit status")
    return int(word)


class Jobs:
    """Starts and follows jobs on the hosts of a pool."""

    def __init__(self, pool: Links, patience: float = 60.0) -> None:
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
        link = self._pool[host]
        await link.run(f"{link.jobs}exec sh -c {quoted(CANCEL)} cockpit-job {quoted(job)}", timeout=30)

    async def clean(self, host: str, run: str) -> None:
        """Remove what is left on the host of the jobs of a run that have ended, and of other runs' after two weeks. Raises
        Unreachable."""
        link = self._pool[host]
        await link.run(f"{link.jobs}exec sh -c {quoted(_CLEAN)} cockpit-job {quoted(run)}", timeout=60)

    async def _follow(
        self, host: str, job: str, script: bytes, told: Chunk, begin: Mapping[str, int] = MappingProxyType({})
    ) -> JobEnd:
        offsets = {"O": begin.get("out", 0), "E": begin.get("err", 0)}
        loop = asyncio.get_running_loop()
        lost_since: float | None = None
        while True:
            before = dict(offsets)
            try:
                found = await self._once(host, job, script, offsets, told)
                if found.kind != "lost":
                    return found
                why = found.detail
            except WrongHost as error:
                # What it did on the right machine is not known here.
                return JobEnd(kind="lost", detail=str(error))
            except Unreachable as error:
                why = str(error)
            now = loop.time()
            lost_since = lost_since if lost_since is not None and offsets == before else now
            if now - lost_since > self._patience:
                return JobEnd(kind="lost", detail=why)
            await asyncio.sleep(0.2)

    async def _once(self, host: str, job: str, script: bytes, offsets: dict[str, int], told: Chunk) -> JobEnd:
        link = self._pool[host]
        words = f"{quoted(job)} {len(script)} {offsets['O']} {offsets['E']} {link.fence}"
        command = f"{link.jobs}exec sh -c {quoted(self._supervisor)} cockpit-job {words}"
        async with link.process(command, wait=self._patience) as process:
            try:
                feed(process.stdin, script)
                while True:
                    # A host that stops in the middle of a frame is noticed by the link's heartbeat.
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
                            status = status_of(rest)
                            return JobEnd(kind="ended", status=status, detail=status_words(status))
                        case "G":
                            return JobEnd(kind="gone", detail="its process is gone and left no exit status")
                        case "N":
                            return JobEnd(kind="none")
                        case "B":
                            return JobEnd(kind="rebooted", detail="the host was started anew while it ran")
                        case "F":
                            return JobEnd(
                                kind="fenced", detail=f"another run has taken over {host}: it was not started"
                            )
                        case "X":
                            return JobEnd(kind="refused", detail=harmless(rest, 300))
                        case _:
                            return JobEnd(kind="lost", detail=f"the host answered {harmless(header, 100)!r}")
            except (asyncio.IncompleteReadError, asyncssh.Error, OSError, ValueError) as error:
                return JobEnd(kind="lost", detail=harmless(str(error), 200) or "the link was lost")
