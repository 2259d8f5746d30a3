"""Telling how a copy gets on: bytes, files, rate, time left, a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from cockpit.engine.ports import Call, Say
from cockpit.events import StepProgress
from cockpit.hosts.sync.rsync import Progress, progress
from cockpit.passes import clock

WINDOW = 15.0
"""Seconds over which the rate is taken."""


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


class CopyTeller:
    """Reads the copy script's own lines (`@…`). `expected` is how many bytes a look before said, 0 when that is not known."""

    def __init__(
        self, call: Call, say: Say, expected: int, limit: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._call, self._say, self._expected, self._now = call, say, expected, now
        self._limit = limit
        self._done: dict[tuple[bytes, bytes], Progress] = {}
        self._trail: list[tuple[float, int]] = [(now(), 0)]
        self._told = 0.0
        self.rounds = 0
        self.broken = False
        self.began = now()
        self.ended: dict[str, int] = {}
        self.connected: Callable[[], None] = lambda: None

    @property
    def moved(self) -> int:
        """Bytes of files that came over, in all rounds."""
        return sum(seen.bytes for seen in self._done.values())

    @property
    def files(self) -> int:
        """Files that came over, in all rounds."""
        return sum(seen.files for seen in self._done.values())

    @property
    def entries(self) -> int:
        """Entries that were looked at."""
        return max((seen.entries for seen in self._done.values()), default=0)

    def keep(self, line: bytes) -> bool:
        """Take a line; True when it is for people."""
        if not line.startswith(b"@"):
            return True
        kind, _, rest = line.partition(b" ")
        fields = rest.split(b" ", 2)
        if kind == b"@round" and len(fields) == 3:
            self.rounds += 1
        elif kind == b"@at" and len(fields) == 3:
            seen = progress(fields[2])
            before = self._done.get((fields[0], fields[1]))
            # A line that was cut in two reads as less than there is.
            if seen is not None and (before is None or seen.bytes >= before.bytes):
                self._done[fields[0], fields[1]] = seen
                self.connected()
                self._tell(seen)
        elif kind == b"@broken":
            self.broken = True
        elif kind == b"@end" and len(fields) == 2:
            self.ended[fields[0].decode("ascii", "replace")] = int(fields[1]) if fields[1].isdigit() else -1
        return False

    def _tell(self, seen: Progress) -> None:
        now = self._now()
        if now - self._told < 0.2:
            return
        self._told = now
        done = self.moved
        self._trail = [(at, count) for at, count in self._trail if now - at < WINDOW] or self._trail[-1:]
        self._trail.append((now, done))
        first = self._trail[0]
        rate = max(done - first[1], 0) / max(now - first[0], 0.001)
        total = max(self._expected, done)
        if self._expected and total:
            fraction = min(done / total, 0.99)
        else:
            fraction = min(seen.percent / 100, 0.99) if seen.percent else -1.0
        words = [f"{fraction:.0%}"] if fraction >= 0 else []
        words += [f"{size(done)}" + (f" of {size(self._expected)}" if self._expected else ""), f"{self.files:,} files"]
        words.append(f"{size(rate)}/s")
        if self._expected and rate > 1:
            words.append(f"{clock((total - done) / rate)} left")
        if self._limit:
            words.append(f"limit {size(self._limit)}/s")
        self._say(StepProgress(ref=self._call.step.ref, fraction=fraction, detail="  ".join(words)))

    def limited(self, rate: int) -> None:
        """The limit was changed."""
        self._limit = rate


class StreamTeller:
    """Tells how a stream of known length gets on."""

    def __init__(self, call: Call, say: Say, total: int) -> None:
        self._call, self._say, self._total = call, say, total
        self._began = self._told = time.monotonic()
        self._done = 0

    def more(self, count: int) -> None:
        """So many bytes more went through."""
        self._done += count
        now = time.monotonic()
        if now - self._told < 0.2:
            return
        self._told = now
        rate = self._done / max(now - self._began, 0.001)
        fraction = min(self._done / self._total, 0.99)
        left = clock(max(self._total - self._done, 0) / max(rate, 1))
        self._say(
            StepProgress(
                ref=self._call.step.ref, fraction=fraction, detail=f"{fraction:.0%}  {size(rate)}/s  {left} left"
            )
        )
