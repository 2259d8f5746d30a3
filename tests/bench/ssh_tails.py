"""A log of 100,000 lines a second over SSH: time from the write on the host to the line in our journal, beside `ssh host tail -F`.

The host is one of the rig: its own network, a real OpenSSH. Both sides are measured on the same lines, which carry their time.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cockpit.clock import SystemClock
from cockpit.events import Event, LogSeen, Record
from cockpit.hosts.pool import HostPool
from cockpit.hosts.tail import Tails
from cockpit.journal.writer import JournalWriter
from cockpit.plan.model import Log
from tests.real.rig import RealHost, missing, rigged

TARGET = 0.100
RATE = 100_000
SECONDS = 6
LOG = "/srv/bench.log"

WRITER = """
import sys, time
path, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
file = open(path, "ab", buffering=0)
began, done = time.time(), 0
while time.time() - began < seconds:
    due = int((time.time() - began) * rate)
    now = b"%.6f GET /page HTTP/1.1 200 some words to be read by nobody at all\\n" % time.time()
    file.write(now * (due - done))
    done = due
    time.sleep(0.002)
file.write(b"end %d\\n" % done)
"""


class Ages:
    """How old lines were when they came; the first second is not counted."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.lines = 0
        self.wanted = -1
        self._began = 0.0

    def take(self, lines: Sequence[str], now: float) -> None:
        """Lines that came now. The age of every 25th is taken: looking at each would itself be what is measured."""
        self.lines += len(lines)
        if lines and lines[-1].startswith("end "):
            self.wanted = int(lines[-1].split()[1])
            self.lines -= 1
            lines = lines[:-1]
        for line in lines[::25]:
            written = float(line[:17])
            self._began = self._began or written
            if written - self._began > 1.0:
                self.ages.append(now - written)

    def said(self) -> str:
        self.ages.sort()
        median, p99 = self.ages[len(self.ages) // 2], self.ages[int(len(self.ages) * 0.99)]
        return f"{self.lines:9,} of {self.wanted:9,} lines   median {median * 1000:7.1f} ms   99th percentile {p99 * 1000:7.1f} ms"

    @property
    def p99(self) -> float:
        return sorted(self.ages)[int(len(self.ages) * 0.99)]


def writing(host: RealHost, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(host.file(LOG)), str(RATE), str(seconds)])


async def ours(host: RealHost, seconds: float, folder: Path) -> Ages:
    """Through agent, SSH, harmless text and the journal's file."""
    ages = Ages()

    def observe(record: Record) -> None:
        if isinstance(record.event, LogSeen):
            ages.take(record.event.lines, time.time())

    async with JournalWriter(folder / "journal.jsonl", SystemClock()) as journal:
        journal.subscribe(observe)

        def emit(event: Event) -> None:
            journal.post(event, "probe")

        pool = HostPool({host.name: host.plan()}, emit, SystemClock())
        tails = Tails(pool, (Log(host=host.name, file=LOG),), emit, journal.raw, None, lambda: journal.waiting)
        tasks = [asyncio.create_task(pool.run()), asyncio.create_task(tails.run())]
        await asyncio.sleep(2)
        writer = writing(host, seconds)
        until = time.monotonic() + seconds + 20
        while ages.wanted < 0 and time.monotonic() < until:
            await asyncio.sleep(0.1)
        await asyncio.to_thread(writer.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ages


def theirs(host: RealHost, seconds: float, folder: Path) -> Ages:
    """Through `ssh host tail -F`, read in chunks as fast as they come, with no journal."""
    ages = Ages()
    (folder / "known").write_text(f"{host.address} {host.host_key}\n")
    words = ["ssh", "-i", str(host.rig.key), "-o", f"UserKnownHostsFile={folder}/known", f"root@{host.address}"]
    with subprocess.Popen(
        [*words, "tail", "-n", "0", "-F", LOG], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as tail:
        assert tail.stdout is not None
        time.sleep(1)
        writer = writing(host, seconds)
        rest = b""
        while ages.wanted < 0:
            data = tail.stdout.read1(1 << 18)  # type: ignore[attr-defined]
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            ages.take([line.decode() for line in lines], time.time())
        writer.wait()
        tail.kill()
    return ages


def measure(rounds: int = 0) -> bool:
    """Print both and their ratio; whether ours is complete and within the target. `rounds` is how many seconds."""
    if missing():
        print(missing())
        return False
    seconds = rounds or SECONDS
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, rigged(Path(folder)) as rig, rig.standing():
        host = rig.host("old")
        host.run(f": >{LOG}")
        peer = theirs(host, seconds, Path(folder))
        host.run(f": >{LOG}")
        journal = Path(folder) / "run"
        journal.mkdir()
        own = asyncio.run(ours(host, seconds, journal))
        shutil.rmtree(journal)
    print(f"{RATE:,} lines/s in one file for {seconds} s")
    print(f"ssh host tail -F, to its reader   {peer.said()}")
    print(f"cockpit, to the journal           {own.said()}   target: {TARGET * 1000:.0f} ms")
    print(f"ratio of the percentiles          {own.p99 / peer.p99:.2f}")
    return own.p99 <= TARGET and own.lines == own.wanted
