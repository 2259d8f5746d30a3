"""Keeping what screens showed: bounded, made harmless, without secrets, written off the loop, then told to the journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from cockpit.clock import Clock
from cockpit.engine.ledger import Ledger
from cockpit.events import ScreenKept, Trouble
from cockpit.journal.redaction import Redactor
from cockpit.journal.screens import Files, ScreenFiles
from cockpit.picture.ink import Cell, Picture, cells, joined, text_of
from cockpit.picture.seen import Seen
from cockpit.picture.svg import svg
from cockpit.text import harmless

MOST_BYTES = 256 << 20
"""Bytes of all kept screens of a run."""

LARGEST, LARGEST_FILE = (500, 200), 2 << 20
"""Columns and rows of a screen that is kept, and bytes of its picture."""

DRIVER = ""
"""Whose share the driver's screens use."""

MOST_SHARES = 256

HIDDEN = "▒"
"""Stands in every cell that showed a secret."""

SETTLE = 2.0
"""Seconds that a run that ends gives the disk for what waits."""


class _Share:
    """What one sort of people may have kept: so many at once, in each second after that, in a run, and waiting for the disk."""

    def __init__(self, burst: float, per_second: float, most: int, waiting: int, now: float) -> None:
        self._burst, self._per_second, self._most, self.waiting = burst, per_second, most, waiting
        self._tokens, self._since = burst, now

    def taken(self, now: float) -> bool:
        """Whether one more is within the share; it is used then."""
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._per_second)
        self._since = now
        if self._tokens < 1 or self._most < 1:
            return False
        self._tokens -= 1
        self._most -= 1
        return True


class Screens:
    """The screens of one run. `saw` takes one and never waits; `run` writes them."""

    def __init__(self, run: Path, ledger: Ledger, redactor: Redactor, clock: Clock) -> None:
        self._run = run
        self._ledger = ledger
        self._redactor = redactor
        self._clock = clock
        self._waiting: deque[tuple[str, Seen]] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        now = clock.monotonic()
        self._shares = {DRIVER: _Share(20.0, 2.0, 5000, 16, now)}
        self._left_out = 0
        self._complained = ""

    def admits(self, whose: str = DRIVER) -> bool:
        """Whether one more screen of those people may be kept; their share is used then. What may not is counted. Whoever only
        watches uses up neither what the driver's screens need nor what another account's do."""
        now = self._clock.monotonic()
        if whose not in self._shares and len(self._shares) < MOST_SHARES:
            self._shares[whose] = _Share(5.0, 0.2, 500, 4, now)
        share = self._shares.get(whose)
        if share is not None and len(self._waiting) < share.waiting and share.taken(now):
            return True
        self._left_out += 1
        return False

    def saw(self, who: str, screen: Seen) -> None:
        """Keep what somebody's screen showed, which was admitted; count it where it is no screen."""
        if not _sane(screen):
            self._left_out += 1
            return
        self._waiting.append((who, screen))
        self._idle.clear()
        self._news.set()

    async def run(self) -> None:
        """Write what waits, one after the other, until cancelled."""
        files = await asyncio.to_thread(ScreenFiles, self._run)
        while True:
            while self._waiting:
                await self._keep(files, *self._waiting.popleft())
            self._idle.set()
            self._news.clear()
            await self._news.wait()

    async def settled(self) -> None:
        """Wait until nothing waits any more, a moment at the most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self._idle.wait()

    async def _keep(self, files: ScreenFiles, who: str, screen: Seen) -> None:
        if files.bytes >= MOST_BYTES:
            self._left_out += 1
            self._complain(f"the kept screens of this run have {files.bytes:,} bytes; no more are kept")
            return
        of, page = harmless(screen.of, 200), harmless(screen.page, 40)
        try:
            # Painting and the disk take their time: neither may delay a probe.
            written = await asyncio.to_thread(self._written, files, who, of, screen)
        except OSError as error:
            self._left_out += 1
            self._complain(f"what was on the screen could not be kept: {error.strerror}")
            return
        if written is None:
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        event = ScreenKept(
            why=screen.why,
            of=of,
            by=who,
            shown=screen.shown,
            page=page,
            width=screen.width,
            height=screen.height,
            version=harmless(screen.version, 40),
            file=written.file,
            bytes=written.bytes,
            svg=written.svg,
            text=written.text,
            left_out=left_out,
        )
        self._ledger.post(event, who)

    def _written(self, files: ScreenFiles, who: str, of: str, screen: Seen) -> Files | None:
        picture = without_secrets(screen, self._redactor)
        of = self._redactor.text(of)
        title = f"What was on the screen of {who}: {of}"
        told = f"{screen.width} by {screen.height} cells, up to event {screen.shown}; the text beside it says the same."
        drawn = svg(picture, self._redactor.text(title), told)
        return files.write(f"{screen.why} {of}", drawn, text_of(picture)) if len(drawn) <= LARGEST_FILE else None

    def _complain(self, message: str) -> None:
        if message != self._complained:
            self._complained = message
            self._ledger.post(Trouble(message=message), "conductor")


def _sane(screen: Seen) -> bool:
    """Whether it can be a screen at all."""
    width, height = screen.width, screen.height
    return (
        0 < width <= LARGEST[0] and 0 < height <= LARGEST[1] and len(screen.lines) <= height and len(screen.of) < 1000
    )


def without_secrets(screen: Seen, redactor: Redactor) -> Picture:
    """The picture of a screen: signs alone, in inks alone, each cell of a secret hidden. Pure.

    A secret is looked for in each line, and in what was typed into each field: of a long one only a part is to be seen."""
    rows = [cells(line, screen.width) for line in screen.lines]
    rows += [[(" ", "")] * screen.width for _ in range(screen.height - len(rows))]
    for row in rows:
        starts = [x for x, (sign, _) in enumerate(row) for _ in sign]
        for begin, end in redactor.places("".join(sign for sign, _ in row)):
            _hide(row, range(starts[begin], starts[end] if end < len(starts) else screen.width))
    for field in screen.fields:
        if redactor.holds(field.typed):
            for row in rows[max(0, field.y) : max(0, field.y + field.height)]:
                _hide(row, range(max(0, field.x), min(screen.width, field.x + field.width)))
    return Picture(screen.width, screen.height, tuple(joined(row) for row in rows))


def _hide(row: list[Cell], places: Iterable[int]) -> None:
    for x in places:
        row[x] = (HIDDEN, row[x][1])
