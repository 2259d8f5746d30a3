"""A finished journal as a source of events: the same screens, with a clock of its own and nothing to act with."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from cockpit.events import FAILURES, Person, Record, StepMoved
from cockpit.intents import AnyIntent
from cockpit.journal.keyframes import nearest
from cockpit.journal.reader import records as read
from cockpit.picture.seen import Seen
from cockpit.state import RunState

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
IDLE = 3.0
"""Seconds without an event that are shown as they were; a longer pause is cut to this."""

FAR = 10_000
"""Events ahead from which on a keyframe is worth its reading."""


class Player:
    """Plays records. It is its own transport: `press` takes keys, `bar` is what the transport bar says."""

    can_drive = False
    label = "REPLAY"
    drives = False

    def __init__(
        self,
        records: list[Record],
        speed: float = 1.0,
        at: int = 0,
        playing: bool = True,
        keyframe: Callable[[int], RunState | None] = lambda seq: None,
    ) -> None:
        self._records = records
        self._seqs = [record.seq for record in records]
        self._nearest = keyframe
        self._times = _shown_times(records)
        self._moved = asyncio.Event()
        self._speed = min(SPEEDS, key=lambda known: abs(known - speed))
        self._playing = playing
        self._told = 0
        self._wanted = 0
        self._shown = 0.0
        self._steps = [index for index, record in enumerate(records) if isinstance(record.event, StepMoved)]
        self._failures = [index for index in self._steps if _state(records[index]) in FAILURES]
        self._touched = time.monotonic()
        if at:
            self._go(self._index_after(at))

    @classmethod
    def of(cls, file: Path, speed: float = 1.0, at: int = 0, playing: bool = True) -> Player:
        """The player of a journal file. Raises JournalDamaged."""
        return cls(list(read(file)), speed, at, playing, lambda seq: nearest(file, seq))

    @property
    def transport(self) -> Player:
        """Itself."""
        return self

    def now(self) -> float:
        """UTC of the moment shown."""
        if not self._wanted:
            return self._records[0].utc if self._records else 0.0
        last = self._records[self._wanted - 1]
        return last.utc + min(max(0.0, self._shown - self._times[self._wanted - 1]), IDLE)

    @property
    def bar(self) -> str:
        """Play or pause, speed, place, clock."""
        total = max(self._times[-1], 0.001) if self._times else 1.0
        share = min(self._shown / total, 1.0)
        cells = 30
        marks = ["─"] * cells
        for index in self._failures:
            marks[min(cells - 1, int(self._times[index] / total * cells))] = "✗"
        place = min(cells - 1, int(share * cells))
        marks[place] = "●"
        at = datetime.fromtimestamp(self.now(), UTC).strftime("%H:%M:%S UTC")
        word = "▶" if self._playing else "❚❚"
        place_text = f"{self._wanted}/{len(self._records)}  {share:.0%}  {at}"
        return f" {word} {self._speed:g}×  {''.join(marks)}  {place_text}  space . , ] [ }} {{ > < "

    def press(self, key: str) -> bool:
        """space plays or pauses; `.` `,` event; `]` `[` step; `}` `{` failure; `>` `<` speed; digits go to a tenth."""
        match key:
            case "space":
                self._playing = not self._playing
                if self._playing and self._wanted >= len(self._records):
                    self._go(0)
            case "full_stop":
                self._stop_at(self._wanted + 1)
            case "comma":
                self._stop_at(self._wanted - 1)
            case "right_square_bracket":
                self._stop_at(_after(self._steps, self._wanted - 1) + 1)
            case "left_square_bracket":
                self._stop_at(_before(self._steps, self._wanted - 1) + 1)
            case "right_curly_bracket":
                self._stop_at(_after(self._failures, self._wanted - 1) + 1)
            case "left_curly_bracket":
                self._stop_at(_before(self._failures, self._wanted - 1) + 1)
            case "greater_than_sign" | "less_than_sign":
                index = SPEEDS.index(self._speed) + (1 if key == "greater_than_sign" else -1)
                self._speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]
            case _ if key.isdigit():
                share = (int(key) or 10) / 10 if key != "0" else 0.0
                self._stop_at(bisect.bisect_right(self._times, share * self._times[-1]) if self._times else 0)
            case _:
                return False
        self._moved.set()
        return True

    def jump(self, seq: int) -> None:
        """To right after the event of that number, paused."""
        self._stop_at(self._index_after(seq))
        self._moved.set()

    def _index_after(self, seq: int) -> int:
        return bisect.bisect_right(self._seqs, seq)

    def _keyframe(self, wanted: int) -> RunState | None:
        """The nearest keyframe at or before what is wanted, unless what was told already is nearer."""
        state = self._nearest(self._seqs[wanted - 1])
        if state is None or self._told <= self._index_after(state.seq) <= wanted or wanted < self._told:
            return state
        return None

    def _stop_at(self, index: int) -> None:
        self._playing = False
        self._go(index)

    def _go(self, index: int) -> None:
        self._wanted = max(0, min(index, len(self._records)))
        self._shown = self._times[self._wanted - 1] if self._wanted else 0.0

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        """What the transport asks for; going back, and far ahead, begins at a keyframe."""
        while True:
            self._advance()
            if self._wanted < self._told or self._wanted - self._told > FAR:
                # At the very beginning there is still the first event: the screen needs its plan.
                self._wanted = max(self._wanted, 1)
                state = self._keyframe(self._wanted)
                if state is not None or self._wanted < self._told:
                    state = state or RunState()
                    self._told = self._index_after(state.seq)
                    yield state
            if self._wanted > self._told:
                batch = self._records[self._told : self._wanted]
                self._told = self._wanted
                yield batch
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._moved.wait()

    def _advance(self) -> None:
        now = time.monotonic()
        gone, self._touched = now - self._touched, now
        if not self._playing:
            return
        self._shown += gone * self._speed
        self._wanted = max(self._wanted, bisect.bisect_right(self._times, self._shown))
        if self._wanted >= len(self._records):
            self._playing = False

    async def tell(self, name: str, answer: str | None) -> str | None:
        """Always refused."""
        return "a replay has nobody to answer"

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Nobody needs to know."""

    def saw(self, screen: Seen) -> None:
        """Nobody is told."""

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """Always refused."""
        return "a replay has nothing to act with"


def _shown_times(records: list[Record]) -> list[float]:
    """When each record is shown, seconds from the start, with idle time cut."""
    times: list[float] = []
    shown, before = 0.0, records[0].utc if records else 0.0
    for record in records:
        shown += min(max(0.0, record.utc - before), IDLE)
        before = record.utc
        times.append(shown)
    return times


def _state(record: Record) -> str:
    return record.event.state if isinstance(record.event, StepMoved) else ""


def _after(indexes: list[int], index: int) -> int:
    place = bisect.bisect_right(indexes, index)
    return indexes[place] if place < len(indexes) else index


def _before(indexes: list[int], index: int) -> int:
    place = bisect.bisect_left(indexes, index)
    return indexes[place - 1] if place else index
