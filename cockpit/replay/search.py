"""Search over everything that was said in a recording: the journal's bytes first, and only lines with a hit are decoded.

It runs in a thread of its own, in pieces so small that the screen gets its turns, and tells what it has found as it goes on.
"""

from __future__ import annotations

import bisect
import re
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from cockpit.events import Record
from cockpit.replay.index import read_back
from cockpit.replay.timeline import Timeline
from cockpit.replay.words import Said, words

PIECE = 1 << 18
"""Bytes looked through in one go: a fraction of a millisecond."""

MOST = 5000
"""Hits that are kept; what is over is counted."""


class Hit(msgspec.Struct, frozen=True):
    """A line that holds what was looked for, in the event `seq`; see `Said`."""

    seq: int
    where: str
    text: str
    ref: str = ""
    log: str = ""
    behind: int = 0


class Needle:
    """A text as it stands in the bytes of a journal, whatever the case of its letters."""

    def __init__(self, text: str) -> None:
        self.text = text.lower()
        encoded = _encoded(text)
        self._low = encoded.lower() if encoded.isascii() else b""
        either = (b"|".join(sorted({re.escape(_encoded(c)) for c in (a, a.lower(), a.upper())})) for a in text)
        self._pattern = re.compile(b"".join(b"(?:%s)" % forms for forms in either)) if not self._low else None

    def lines(self, piece: bytes) -> Iterator[bytes]:
        """The whole lines of a piece that may hold it, each once."""
        low = piece.lower() if self._low else b""
        at = 0
        while (found := self._find(piece, low, at)) >= 0:
            start = piece.rfind(b"\n", 0, found) + 1
            end = piece.find(b"\n", found)
            if end < 0:
                return
            if self._is_key(piece, found):
                at = found + 1
                continue
            yield piece[start:end]
            at = end + 1

    def among(self, said: Iterator[Said]) -> Iterator[Said]:
        """The lines that do hold it."""
        return (line for line in said if self.text in line.text.lower())

    def _find(self, piece: bytes, low: bytes, at: int) -> int:
        if self._pattern is None:
            return low.find(self._low, at)
        match = self._pattern.search(piece, at)
        return match.start() if match is not None else -1

    def _is_key(self, piece: bytes, found: int) -> bool:
        """Whether it is the name of a field, which stands in each line."""
        end = found + len(self._low)
        return bool(self._low) and piece[found - 1 : found] == b'"' and piece[end : end + 2] == b'":'


def _encoded(text: str) -> bytes:
    return msgspec.json.encode(text)[1:-1]


class Search:
    """A search under way. `hits` only grows, in the order of the events."""

    def __init__(self, text: str, most: int = MOST) -> None:
        self.text = text
        self.hits: list[Hit] = []
        self.count = 0
        """Hits so far, with those that are not kept."""
        self.share = 0.0
        """How much has been looked through, 0 to 1."""
        self.done = False
        self.trouble = ""
        self._needle = Needle(text)
        self._most = most
        self._cancelled = threading.Event()
        self._seqs = array("q")
        self._places: list[int] = []
        self._thread: threading.Thread | None = None

    def in_file(self, file: Path, size: int | None = None) -> Search:
        """Begin to look through a journal file, or its first `size` bytes; returns itself."""
        return self._begin(lambda: self._file(file, size))

    def in_records(self, take: Callable[[int, int], list[Record]], count: int) -> Search:
        """Begin to look through `count` records that `take` (first, last) gives; returns itself."""
        return self._begin(lambda: self._records(take, count))

    def cancel(self) -> None:
        """Look no further; what was found stays."""
        self._cancelled.set()

    def wait(self, seconds: float = 10.0) -> Search:
        """Until it is over. Blocks; for whoever has no screen."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self

    @property
    def words(self) -> str:
        """How it goes: `17 hits`, `5,000 hits of 23,412 kept`, `12 hits, 40 % looked through`."""
        number = f"{self.count:,} hit{'' if self.count == 1 else 's'}"
        if self.count > len(self.hits):
            number = f"{number}, the first {len(self.hits):,} kept"
        if self.trouble:
            return f"{number}, {self.trouble}"
        return number if self.done else f"{number}, {self.share:.0%} looked through"

    def places(self, timeline: Timeline) -> list[int]:
        """The places of the events with a hit, from 0, as far as the timeline goes. Cheap: only what is new is looked up."""
        last = timeline.seqs[-1] if len(timeline) else 0
        for seq in self._seqs[len(self._places) :]:
            if seq > last:
                break
            self._places.append(bisect.bisect_left(timeline.seqs, seq))
        return self._places

    def _begin(self, work: Callable[[], None]) -> Search:
        def run() -> None:
            try:
                work()
            except OSError as error:
                self.trouble = f"then it could not be read: {error.strerror}"
            self.done = True

        self._thread = threading.Thread(target=run, name="search", daemon=True)
        self._thread.start()
        return self

    def _file(self, file: Path, size: int | None) -> None:
        with file.open("rb") as source:
            whole = source.seek(0, 2) if size is None else size
            source.seek(0)
            at, rest = 0, b""
            while at < whole and not self._cancelled.is_set():
                piece = source.read(min(PIECE, whole - at))
                if not piece:
                    break
                at += len(piece)
                begun, newline, rest = (rest + piece).rpartition(b"\n")
                if newline:
                    self._look(begun + newline)
                else:
                    rest = begun + rest
                self.share = at / whole
                # Whoever waits for the interpreter gets it now.
                time.sleep(0)

    def _look(self, piece: bytes) -> None:
        for number, line in enumerate(self._needle.lines(piece)):
            if self._cancelled.is_set():
                return
            record = read_back(line)
            if record is None:
                continue  # Whoever reads the recording tells of it.
            self._take(record)
            if number % 20 == 19:
                time.sleep(0)

    def _records(self, take: Callable[[int, int], list[Record]], count: int) -> None:
        for first in range(0, count, 500):
            if self._cancelled.is_set():
                return
            for record in take(first, min(first + 500, count)):
                self._take(record)
            self.share = (first + 500) / count
            time.sleep(0)

    def _take(self, record: Record) -> None:
        for said in self._needle.among(words(record)):
            self.count += 1
            if len(self.hits) < self._most:
                self.hits.append(Hit(record.seq, said.where, said.text, ref=said.ref, log=said.log, behind=said.behind))
                if not self._seqs or self._seqs[-1] != record.seq:
                    self._seqs.append(record.seq)
