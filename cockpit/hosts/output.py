"""Turning bytes of a job into events: harmless lines, a few times a second, with the raw bytes kept beside the journal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Literal, Protocol

from cockpit.engine.ports import Call, Say
from cockpit.events import StepOutput
from cockpit.text import harmless


class RawSink(Protocol):
    """Appends raw bytes to a named file beside the journal; returns their offset. With `at` the file is cut to that length
    first, if it is longer."""

    def __call__(self, name: str, data: bytes, at: int | None = None) -> int: ...


EVERY = 0.1
LONGEST = 64 * 1024
MOST_LINES = 500
"""Lines of one event; of a flood, the last ones are told, and how many were left out (all are in the raw file)."""

_BREAK = re.compile(rb"\r\n|\r|\n")


class OutputTeller:
    """Collects the output of one op of one step. Feed it chunks; `flush` at the end.

    After a crash (`resumed`) `call.told` says up to which byte of each stream the journal has lines: what is over is cut from
    the raw files, and `begin` is where to read on. `keep` takes each line and says whether it is for people."""

    def __init__(
        self, call: Call, say: Say, raw: RawSink, resumed: bool = False, keep: Callable[[bytes], bool] = bool
    ) -> None:
        self._call = call
        self._keep = keep
        self.begin: dict[str, int] = {}
        for stream in ("out", "err") if resumed else ():
            at = call.told.get(stream, 0)
            self.begin[stream] = min(at, raw(f"{call.job}.{stream}", b"", at))
        self._next = dict(self.begin)
        self._end = dict(self.begin)
        self._say = say
        self._raw = raw
        self._rest: dict[str, bytes] = {"out": b"", "err": b""}
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._left_out: dict[str, int] = {"out": 0, "err": 0}
        self._told = 0.0
        self.last = ""

    def __call__(self, stream: Literal["out", "err"], data: bytes) -> None:
        """Take bytes as they came."""
        name = f"{self._call.job}.{stream}"
        offset = self._raw(name, data)
        self._next.setdefault(stream, offset)
        self._end[stream] = offset + len(data)
        pieces = _BREAK.split(self._rest[stream] + data)
        rest = pieces.pop()
        pieces = [piece for piece in pieces if self._keep(piece)]
        if len(rest) > LONGEST:
            pieces.append(rest)
            rest = b""
        self._rest[stream] = rest
        lines = self._lines[stream]
        lines.extend(harmless(piece) for piece in pieces[-MOST_LINES:] if piece)
        self._left_out[stream] += max(0, len(pieces) - MOST_LINES)
        if len(lines) > MOST_LINES:
            self._left_out[stream] += len(lines) - MOST_LINES
            del lines[:-MOST_LINES]
        if time.monotonic() - self._told > EVERY:
            self._tell()

    def flush(self) -> None:
        """Tell what is left, a last line without its end included."""
        for stream in ("out", "err"):
            if self._rest[stream]:
                self._lines[stream].append(harmless(self._rest[stream]))
                self._rest[stream] = b""
        self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        call = self._call
        streams: tuple[Literal["out", "err"], ...] = ("out", "err")
        for stream in streams:
            lines = self._lines[stream]
            if not lines:
                continue
            if self._left_out[stream]:
                lines.insert(0, f"… {self._left_out[stream]} lines are in the raw output only")
                self._left_out[stream] = 0
            # A last line without its end is told later, and read again after a crash: it is not in this span.
            offset = self._next.get(stream, 0)
            end = self._end.get(stream, 0) - len(self._rest[stream])
            self._next[stream] = end
            self.last = lines[-1]
            self._say(
                StepOutput(
                    ref=call.step.ref,
                    attempt=call.attempt,
                    op=call.op,
                    stream=stream,
                    lines=tuple(lines),
                    file=f"raw/{call.job}.{stream}",
                    offset=offset,
                    length=end - offset,
                )
            )
            self._lines[stream] = []
