"""A finished journal as a source of events: the same screens, with a clock of its own and nothing to act with."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cockpit.events import Person, Record
from cockpit.intents import AnyIntent
from cockpit.replay.recording import Recording
from cockpit.replay.timeline import IDLE
from cockpit.state import RunState

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
FAR = 500
"""Events ahead from which on the screen is given a state, and not the events."""


class Player:
    """Plays records. It is its own transport: `press` takes keys, `bar` is what the transport bar says."""

    can_drive = False
    label = "REPLAY"
    drives = False

    def __init__(
        self, recording: Recording | Sequence[Record], speed: float = 1.0, at: int = 0, playing: bool = True
    ) -> None:
        self.recording = recording if isinstance(recording, Recording) else Recording.of(recording)
        self._moved = asyncio.Event()
        self._speed = min(SPEEDS, key=lambda known: abs(known - speed))
        self._playing = playing
        self._told = 0
        self._wanted = 0
        self._shown = 0.0
        self._goal = 0
        self._pressed = False
        self._touched = time.monotonic()
        if at:
            self._seek(at)

    @classmethod
    def of(cls, file: Path, speed: float = 1.0, at: int = 0, playing: bool = True) -> Player:
        """The player of a journal file. Raises OSError."""
        return cls(Recording.open(file), speed, at, playing)

    @property
    def transport(self) -> Player:
        """Itself."""
        return self

    def now(self) -> float:
        """UTC of the moment shown."""
        timeline = self.recording.timeline
        if not self._wanted:
            return timeline.utc[0] if len(timeline) else 0.0
        last = self._wanted - 1
        return timeline.utc[last] + min(max(0.0, self._shown - timeline.shown[last]), IDLE)

    @property
    def place(self) -> int:
        """How many events are shown, or will be in a moment."""
        return self._wanted

    @property
    def notice(self) -> str:
        """What must stay on the screen about the recording itself. What is no damage of it goes with the first key."""
        return "" if self._pressed and not self.recording.known.damaged else self.recording.notice

    @property
    def bar(self) -> str:
        """Play or pause, speed, place, clock."""
        timeline = self.recording.timeline
        total = max(timeline.length, 0.001)
        share = min(self._shown / total, 1.0)
        cells = 30
        marks = ["─"] * cells
        for index in self._places("failure"):
            marks[min(cells - 1, int(timeline.shown[index] / total * cells))] = "✗"
        place = min(cells - 1, int(share * cells))
        marks[place] = "●"
        at = datetime.fromtimestamp(self.now(), UTC).strftime("%H:%M:%S UTC")
        word = "▶" if self._playing else "❚❚"
        count = f"{self.recording.total}" if self.recording.complete else f"~{self.recording.total}"
        condition = self.recording.condition
        place_text = f"{self._wanted}/{count}  {share:.0%}  {at}" + (f"  {condition}" if condition else "")
        return f" {word} {self._speed:g}×  {''.join(marks)}  {place_text}  space . , ] [ }} {{ > < "

    def press(self, key: str) -> bool:
        """space plays or pauses; `.` `,` event; `]` `[` step; `}` `{` failure; `>` `<` speed; digits go to a tenth."""
        match key:
            case "space":
                self._playing = not self._playing
                if self._playing and self._wanted >= len(self.recording.timeline):
                    self._go(0)
            case "full_stop":
                self._stop_at(self._wanted + 1)
            case "comma":
                self._stop_at(self._wanted - 1)
            case "right_square_bracket":
                self._stop_at(_after(self._places("step", "failure"), self._wanted - 1) + 1)
            case "left_square_bracket":
                self._stop_at(_before(self._places("step", "failure"), self._wanted - 1) + 1)
            case "right_curly_bracket":
                self._stop_at(_after(self._places("failure"), self._wanted - 1) + 1)
            case "left_curly_bracket":
                self._stop_at(_before(self._places("failure"), self._wanted - 1) + 1)
            case "greater_than_sign" | "less_than_sign":
                index = SPEEDS.index(self._speed) + (1 if key == "greater_than_sign" else -1)
                self._speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]
            case _ if key.isdigit():
                share = (int(key) or 10) / 10 if key != "0" else 0.0
                timeline = self.recording.timeline
                self._stop_at(timeline.after_shown(share * timeline.length))
            case _:
                return False
        self._pressed = True
        self._moved.set()
        return True

    def jump(self, seq: int) -> None:
        """To right after the event of that number, paused; once that is known, where the recording is still being read."""
        self._playing = False
        self._seek(seq)
        self._moved.set()

    def _places(self, *kinds: str) -> list[int]:
        return [moment.index for moment in self.recording.timeline.moments if moment.kind in kinds]

    def _seek(self, seq: int) -> None:
        timeline = self.recording.timeline
        self._go(timeline.after_seq(seq))
        known = self.recording.complete or (len(timeline) and timeline.seqs[-1] >= seq)
        self._goal = 0 if known else seq

    def _stop_at(self, index: int) -> None:
        self._playing = False
        self._goal = 0
        self._go(index)

    def _go(self, index: int) -> None:
        timeline = self.recording.timeline
        self._wanted = max(0, min(index, len(timeline)))
        self._shown = timeline.shown[self._wanted - 1] if self._wanted else 0.0

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        """What the transport asks for: events where it goes on, a state where it goes back or far ahead."""
        while True:
            self._advance()
            if self._wanted < self._told or self._wanted - self._told > FAR:
                # At the very beginning there is still the first event: the screen needs its plan.
                wanted = self._wanted = max(self._wanted, 1)
                state = await asyncio.to_thread(self._state_after, wanted)
                if state is None:
                    continue
                self._told = wanted
                yield state
            elif self._wanted > self._told:
                told, self._told = self._told, self._wanted
                yield self.recording.records(told, self._wanted)
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._moved.wait()

    def _state_after(self, wanted: int) -> RunState | None:
        """None once something else is wanted."""
        return self.recording.state_after(wanted, lambda: self._wanted != wanted)

    def _advance(self) -> None:
        now = time.monotonic()
        gone, self._touched = now - self._touched, now
        if self._goal:
            self._seek(self._goal)
        if not self._playing:
            return
        self._shown += gone * self._speed
        self._wanted = max(self._wanted, self.recording.timeline.after_shown(self._shown))
        if self._wanted >= len(self.recording.timeline):
            self._playing = False

    async def tell(self, name: str, answer: str | None) -> str | None:
        """Always refused."""
        return "a replay has nobody to answer"

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Nobody needs to know."""

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """Always refused."""
        return "a replay has nothing to act with"


def _after(indexes: list[int], index: int) -> int:
    place = bisect.bisect_right(indexes, index)
    return indexes[place] if place < len(indexes) else index


def _before(indexes: list[int], index: int) -> int:
    place = bisect.bisect_left(indexes, index)
    return indexes[place - 1] if place else index
