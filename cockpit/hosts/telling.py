"""Bytes of a log as events: harmless lines with alarms, the bytes themselves in a raw file, floods counted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

from cockpit.events import Event, LogGap, LogSeen
from cockpit.hosts.lines import Lines
from cockpit.hosts.output import RawSink
from cockpit.hosts.positions import Generation, Position
from cockpit.plan.model import Log
from cockpit.text import LINE_LIMIT, harmless

MOST_LINES = 2000
"""Lines of one event."""

PER_SECOND = 150_000
"""Lines told in a second of all logs together, shared evenly; what a flood has on top is counted, and in the raw file."""

LEAST = 100
"""Lines of a flood that are told of each piece that comes: its last ones."""

_CLEAN = bytes(range(32, 127)) + b"\n"
"""Bytes that are harmless as they are."""


def harmless_lines(whole: bytes) -> list[str]:
    """Lines of bytes that end with a line's end (or do not), each as `harmless` makes it."""
    whole = whole.removesuffix(b"\n")
    if not whole.translate(None, _CLEAN):
        lines = whole.decode("ascii").split("\n")
        if max(map(len, lines)) <= LINE_LIMIT:
            return lines
    return [
        harmless(piece) if len(piece) > LINE_LIMIT or piece.translate(None, _CLEAN) else piece.decode("ascii")
        for piece in whole.split(b"\n")
    ]


class Share:
    """So many lines a second of one log, and two seconds' worth at once."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._left = per_second * 2
        self._at = time.monotonic()

    def take(self, wanted: int) -> int:
        """How many of them may be told."""
        now = time.monotonic()
        self._left = min(self._rate * 2, self._left + (now - self._at) * self._rate)
        self._at = now
        given = max(min(wanted, int(self._left)), min(wanted, LEAST))
        self._left = max(0.0, self._left - given)
        return given


class Teller(Lines):
    """Tells of one log. What it tells ends with whole lines, in events and in the raw file alike."""

    def __init__(self, log: Log, position: Position, emit: Callable[[Event], None], raw: RawSink, share: Share) -> None:
        super().__init__(log, position)
        self._emit = emit
        self._raw = raw
        self._share = share
        self._alarm = re.compile(log.alarm) if log.alarm else None
        self._name = f"log.{log.host}.{log.name.replace('/', '_')}"

    def beat(self) -> None:
        """Nothing to do: all is told when it comes."""

    def cut(self, at: int) -> None:
        """Leave in the raw file what the journal tells of, and no more."""
        self._raw(self._name, b"", at)

    def close(self) -> None:
        """Keep the bytes of lines that have not ended; the next run cuts them off and reads them again."""
        for gen in self.position.generations.values():
            if gen.rest:
                self._raw(self._name, gen.rest)

    def gap(self, size: int) -> None:
        """Tell that the host itself has lost something."""
        log = self.log
        self._emit(LogGap(host=log.host, file=log.name, size=size, position=self.position.word()))

    def _whole(self, gen: Generation | None, whole: bytes, lag: float, behind: int) -> None:
        offset = self._raw(self._name, whole)
        count = whole.count(b"\n") + (not whole.endswith(b"\n"))
        given = self._share.take(count)
        for piece, lines, dropped, back in _groups(whole, count - given):
            later = back + (len(gen.rest) if gen is not None else 0)
            found = self._alarm
            self._emit(
                LogSeen(
                    host=self.log.host,
                    file=self.log.name,
                    lines=lines,
                    raw=f"raw/{self._name}",
                    offset=offset,
                    length=piece,
                    lag=round(lag, 3),
                    dropped=dropped,
                    alarms=tuple(index for index, line in enumerate(lines) if found.search(line)) if found else (),
                    position=self.position.word(gen, later),
                    behind=behind,
                )
            )
            offset += piece


def _groups(whole: bytes, dropped: int) -> Iterator[tuple[int, tuple[str, ...], int, int]]:
    """(bytes, lines, lines left out before them, bytes behind them) in pieces of at most MOST_LINES told lines."""
    if not dropped and whole.count(b"\n") <= MOST_LINES:
        yield len(whole), tuple(harmless_lines(whole)), 0, 0
        return
    at = 0
    for _ in range(dropped):
        at = whole.find(b"\n", at) + 1
    begin = 0
    while at < len(whole):
        start = at
        for _ in range(MOST_LINES):
            found = whole.find(b"\n", at) + 1
            at = found or len(whole)
            if at == len(whole):
                break
        yield at - begin, tuple(harmless_lines(whole[start:at])), dropped, len(whole) - at
        begin, dropped = at, 0
