"""A long recording, made from the recorded demo: the night goes on and on, with its probes, logs and some steps again.

The same count makes the same bytes. About one event in a hundred belongs to a step, a gate or a note; the others are what
probes and logs tell, in the proportions of the demo, a log line an event.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from cockpit.events import Event, LogSeen, Noted, Record, RunEnded, RunStarted
from cockpit.journal import keyframes
from cockpit.journal import line as lines
from cockpit.reduce import reduce
from cockpit.replay.index import COMMON
from cockpit.state import RunState

DEMO = Path(__file__).parent / "karl.jsonl.gz"
STEPS_EVERY = 20
"""Rounds after which the steps of the demo happen again."""


def _demo() -> list[Record]:
    return [lines.decode_unchained(raw) for raw in gzip.decompress(DEMO.read_bytes()).split(b"\n") if raw]


def _single(record: Record) -> Iterator[tuple[float, str, Event]]:
    event = record.event
    if not isinstance(event, LogSeen) or len(event.lines) < 2:
        yield record.utc, record.actor, event
        return
    for number, text in enumerate(event.lines):
        alarms = (0,) if number in event.alarms else ()
        yield (
            record.utc + number / 1000,
            record.actor,
            LogSeen(host=event.host, file=event.file, lines=(text,), lag=event.lag, alarms=alarms),
        )


def _night(count: int) -> Iterator[tuple[float, str, Event]]:
    """(UTC, actor, event) of `count` events: the demo, then more of it, then its end."""
    demo = _demo()
    first, last = demo[0], demo[-1]
    assert isinstance(first.event, RunStarted)
    assert isinstance(last.event, RunEnded)
    yield first.utc, first.actor, first.event
    told, rounds, length = 1, 0, last.utc - first.utc
    while True:
        for record in demo[1:]:
            common = str(record.event.__struct_config__.tag) in COMMON
            step = not common or "Step" in type(record.event).__name__
            if isinstance(record.event, RunEnded) or (rounds % STEPS_EVERY and step):
                continue
            for utc, actor, event in _single(record):
                if told == count - 1:
                    yield utc + rounds * length, last.actor, last.event
                    return
                yield utc + rounds * length, actor, event
                told += 1
        rounds += 1
        if told < count - 1:
            yield first.utc + rounds * length, "tom", Noted(text=f"round {rounds} is over")
            told += 1


def make(folder: Path, count: int, with_keyframes: bool = True) -> Path:
    """Write a journal of `count` events (2 at least) into a folder, and the keyframes that a conductor would have written
    beside it. Returns the journal."""
    journal = folder / "journal.jsonl"
    head, state, blob = lines.START, RunState(), bytearray()
    began = 0.0
    with journal.open("wb") as out, journal.with_name(keyframes.KEYFRAMES).open("wb") as frames:
        for number, (utc, actor, event) in enumerate(_night(count), 1):
            began = began or utc
            record = Record(seq=number, utc=utc, mono=utc - began, actor=actor, event=event)  # type: ignore[arg-type]
            text, head = lines.encode(record, head)
            blob += text
            if len(blob) > 1 << 20:
                out.write(blob)
                blob.clear()
            if with_keyframes:
                state = reduce(state, record)
                if number % keyframes.EVERY == 0:
                    frames.write(keyframes.encode(state, head))
        out.write(blob)
    if not with_keyframes:
        journal.with_name(keyframes.KEYFRAMES).unlink()
    return journal
