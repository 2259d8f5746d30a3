"""A recording of a million events as a cast: how long that takes, in how much memory, and how large it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from cockpit.events import Record, RunEnded, RunStarted
from cockpit.journal.reader import records
from tests.conftest import RECORDINGS
from tests.report.making import written

EVENTS = 1_000_000
MOST_MB = 300.0


def measure(rounds: int) -> bool:
    """`rounds` is the number of events. True when memory stays under the bound."""
    import gzip

    wanted = rounds or EVENTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        once = folder / "once.jsonl"
        once.write_bytes(gzip.decompress((RECORDINGS / "karl.jsonl.gz").read_bytes()))
        journal = folder / "journal.jsonl"
        written(journal, nights(list(records(once)), wanted))
        size = journal.stat().st_size
        for speed in ("64", "8"):
            began = time.monotonic()
            words = [
                sys.executable,
                "-m",
                "cockpit",
                "replay",
                str(journal),
                "--export",
                "cast",
                str(folder / "x.cast"),
            ]
            child = subprocess.Popen([*words, "--speed", speed, "--force"], stderr=subprocess.PIPE, text=True)
            said = child.stderr.read() if child.stderr is not None else ""
            _, status, used = os.wait4(child.pid, 0)
            took = time.monotonic() - began
            cpu = used.ru_utime + used.ru_stime
            megabytes = used.ru_maxrss / 1024
            print(
                f"{wanted:,} events, {size / 1e6:,.0f} MB, {speed}×: {took:.0f} s, {cpu:.0f} s of a core, {megabytes:.0f} MB, "
                f"exit {os.waitstatus_to_exitcode(status)}, {said.count('% of')} words of progress; {said.strip().splitlines()[-1]}"
            )
            if megabytes > MOST_MB or status:
                return False
    return True


def nights(found: list[Record], wanted: int) -> Iterator[Record]:
    """So many events: the recorded evening again and again, each behind the one before."""
    first, rest = found[0], [r for r in found[1:] if not isinstance(r.event, RunEnded | RunStarted)]
    span = found[-1].utc - first.utc
    yield first
    for seq in range(2, wanted + 1):
        again, place = divmod(seq - 2, len(rest))
        record = rest[place]
        yield replace(record, seq=seq, utc=record.utc + span * again)
