"""Following log files on the hosts: one channel a host, positions by file and offset, nothing lost over a lost link."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import asyncssh

from cockpit.events import Event, LogSeen
from cockpit.hosts.output import RawSink
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.plan.model import Log, WaitLog
from cockpit.text import harmless

EVERY = 0.1
MOST_LINES = 2000
"""Lines of one event; of a flood, the last ones are told and the rest counted (the raw file has all)."""

LONGEST = 256 * 1024

# Frames: `F index inode offset length time` and that many bytes. A new inode starts at 0; a file that shrank, too.
_AGENT = r"""
LC_ALL=C; export LC_ALL
n=$#; i=0
for a do i=$((i+1)); eval "f$i=\${a%:*:*}"; r=${a%:*}; eval "n$i=\${r##*:}"; eval "o$i=\${a##*:}"; done
while :; do
  i=0; any=0
  while [ $i -lt $n ]; do
    i=$((i+1)); eval "f=\$f$i; ino=\$n$i; o=\$o$i"
    s=$(stat -L -c '%i %s' -- "$f" 2>/dev/null) || continue
    now=${s% *}; size=${s#* }
    if [ "$ino" = - ]; then ino=$now; [ "$o" -ge 0 ] || { o=$((size - 4096)); [ "$o" -ge 0 ] || o=0; }
    elif [ "$ino" != "$now" ]; then
      if [ -f "$f.1" ] && [ "$(stat -L -c %i -- "$f.1")" = "$ino" ]; then
        rest=$(stat -L -c %s -- "$f.1")
        if [ "$rest" -gt "$o" ]; then
          k=$((rest - o)); [ $k -le 262144 ] || k=262144
          echo "F $i $ino $o $k"; tail -c "+$((o+1))" -- "$f.1" | head -c $k; any=1; eval "o$i=$((o+k))"; continue
        fi
      fi
      ino=$now; o=0
    elif [ "$size" -lt "$o" ]; then o=0; fi
    if [ "$size" -gt "$o" ]; then
      k=$((size - o)); [ $k -le 262144 ] || k=262144
      echo "F $i $ino $o $k"; tail -c "+$((o+1))" -- "$f" | head -c $k; any=1; o=$((o+k))
    fi
    eval "n$i=$ino; o$i=$o"
  done
  if [ $any = 0 ]; then echo P; sleep 0.1 2>/dev/null || sleep 1; fi
done
"""

_LOOK = r'tail -c "+$(($2+1))" -- "$1" 2>/dev/null | grep -E -m 1 -- "$3"'


class _File:
    def __init__(self, log: Log, alarm: re.Pattern[str] | None) -> None:
        self.log = log
        self.alarm = alarm
        self.inode = "-"
        self.offset = -1
        self.rest = b""
        self.first_rest = True


class Tails:
    """Follows every log of a plan. `mark` and `wait_for` look at any file of a host, tailed or not."""

    def __init__(self, pool: HostPool, logs: tuple[Log, ...], emit: Callable[[Event], None], raw: RawSink) -> None:
        self._pool = pool
        self._emit = emit
        self._raw = raw
        self._files: dict[str, list[_File]] = {}
        for log in logs:
            self._files.setdefault(log.host, []).append(_File(log, re.compile(log.alarm) if log.alarm else None))

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            for host, tailed in self._files.items():
                group.create_task(self._host(host, tailed), name=f"tails of {host}")

    async def _host(self, host: str, tailed: list[_File]) -> None:
        while True:
            words = " ".join(quoted(f"{file.log.file}:{file.inode}:{file.offset}") for file in tailed)
            try:
                async with self._pool[host].process(f"exec sh -c {quoted(_AGENT)} cockpit-tail {words}") as process:
                    await self._follow(process, tailed)
            except (Unreachable, asyncssh.Error, OSError, ValueError, asyncio.IncompleteReadError):
                pass  # The link tells of itself; positions stay, so nothing is lost or doubled.
            await asyncio.sleep(0.3)

    async def _follow(self, process: asyncssh.SSHClientProcess[bytes], tailed: list[_File]) -> None:
        while True:
            header = await process.stdout.readuntil(b"\n", 4096)
            word, *rest = header.split()
            if word != b"F":
                continue
            index, inode, offset, length = (int(part) for part in rest)
            file = tailed[index - 1]
            began = time.monotonic()
            data = await process.stdout.readexactly(length)
            if str(inode) != file.inode or offset < file.offset:
                file.rest, file.first_rest = b"", file.offset < 0 and offset > 0
            file.inode, file.offset = str(inode), offset + length
            self._tell(file, data, time.monotonic() - began)

    def _tell(self, file: _File, data: bytes, lag: float) -> None:
        log = file.log
        name = f"log.{log.host}.{log.file.replace('/', '_')}"
        offset = self._raw(name, data)
        pieces = (file.rest + data).split(b"\n")
        file.rest = pieces.pop()
        if file.first_rest and pieces:
            # We began in the middle of a line: its first half was never ours.
            del pieces[0]
            file.first_rest = False
        if len(file.rest) > LONGEST:
            pieces.append(file.rest)
            file.rest = b""
        dropped = max(0, len(pieces) - MOST_LINES)
        lines = tuple(harmless(piece) for piece in pieces[dropped:])
        alarms = tuple(index for index, line in enumerate(lines) if file.alarm is not None and file.alarm.search(line))
        if lines or dropped:
            self._emit(
                LogSeen(
                    host=log.host,
                    file=log.file,
                    lines=lines,
                    raw=f"raw/{name}",
                    offset=offset,
                    length=len(data),
                    lag=round(lag, 3),
                    dropped=dropped,
                    alarms=alarms,
                )
            )

    async def mark(self, host: str, file: str) -> str:
        """Where a file ends now, as `inode:size`; `-:0` for one that does not exist yet. Raises Unreachable."""
        ran = await self._pool[host].run(f"stat -L -c '%i:%s' -- {quoted(file)} 2>/dev/null || echo -:0", b"", 15)
        return harmless(ran.out.strip(), 60)

    async def wait_for(self, log: WaitLog, mark: str) -> tuple[bool, str]:
        """Wait until the pattern (POSIX extended) appears behind `mark`. Returns whether, and the line or the sentence."""
        inode, _, size = mark.partition(":")
        deadline = time.monotonic() + log.timeout
        while True:
            try:
                now = await self.mark(log.host, log.file)
                offset = int(size or 0) if now.partition(":")[0] == inode else 0
                words = f"{quoted(log.file)} {offset} {quoted(log.pattern)}"
                ran = await self._pool[log.host].run(f"sh -c {quoted(_LOOK)} cockpit-look {words}", b"", 30)
                if ran.exit == 0 and ran.out.strip():
                    return True, f"{log.host}:{log.file} says {harmless(ran.out.strip(), 160)}"
                why = "it did not appear"
            except Unreachable as error:
                why = str(error)
            if time.monotonic() > deadline:
                return False, f"{log.pattern!r} in {log.host}:{log.file} within {log.timeout:.0f} s: {why}"
            await asyncio.sleep(0.25)
