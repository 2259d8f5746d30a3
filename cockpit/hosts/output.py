"""Turning bytes of a job into events: harmless lines, a few times a second, with the raw bytes kept beside the journal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Literal

from cockpit.engine.ports import Call, Say
from cockpit.events import StepOutput
from cockpit.text import harmless

RawSink = Callable[[str, bytes], int]
"""Appends raw bytes to a named file beside the journal; returns their offset."""

EVERY = 0.1
LONGEST = 64 * 1024
MOST_LINES = 500
"""Lines of one event; of a flood, the last ones are told, and how many were left out (all are in the raw file)."""

_BREAK = re.compile(rb"\r\n|\r|\n")


class OutputTeller:
    """Collects the output of one op of one step. Feed it chunks; `flush` at the end."""

    def __init__(self, call: Call, say: Say, raw: RawSink) -> None:
        self._call = call
        self._say = say
        self._raw = raw
        self._rest: dict[str, bytes] = {"out": b"", "err": b""}
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._span: dict[str, tuple[int, int]] = {}
        self._left_out: dict[str, int] = {"out": 0, "err": 0}
        self._told = 0.0
        self.last = ""

    def __call__(self, stream: Literal["out", "err"], data: bytes) -> None:
        """Take bytes as they came."""
        name = f"{self._call.job}.{stream}"
        offset = self._raw(name, data)
        first, length = self._span.get(stream, (offset, 0))
        self._span[stream] = (first, length + len(data))
        pieces = _BREAK.split(self._rest[stream] + data)
        rest = pieces.pop()
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
            offset, length = self._span.pop(stream, (0, 0))
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
                    length=length,
                )
            )
            self._lines[stream] = []
