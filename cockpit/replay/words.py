"""What an event says, line by line, and where on the screen that stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cockpit import events as ev

QUIET = frozenset(
    {"kind", "job", "identity", "marks", "position", "raw", "file", "head", "plan", "attempt", "token", "forecast"}
)
"""Fields that are for machines, and the plan, which nobody said."""


class Said(msgspec.Struct, frozen=True):
    """A line that was said: where, and its text. `ref` is the step whose output it is, `log` the log (`host:file`) in which it
    stands; `behind` so many lines of the same event follow it."""

    where: str
    text: str
    ref: str = ""
    log: str = ""
    behind: int = 0


def words(record: ev.Record) -> Iterator[Said]:
    """All that an event says."""
    match record.event:
        case ev.StepOutput(ref=ref, op=op, lines=lines):
            last = len(lines) - 1
            for number, text in enumerate(lines):
                yield Said(f"{ref} {op} output", text, ref=ref, behind=last - number)
        case ev.LogSeen(host=host, file=file, lines=lines):
            last = len(lines) - 1
            for number, text in enumerate(lines):
                yield Said(f"{host}:{file}", text, log=f"{host}:{file}", behind=last - number)
        case ev.StepMoved(ref=ref, state=state, detail=detail):
            yield Said(f"{ref} {state}", f"{ref} {state} {detail}".rstrip())
        case ev.Noted(text=text, ref=ref):
            yield Said(f"note by {record.actor}" + (f" on {ref}" if ref else ""), text)
        case ev.RunStarted(plan=plan, mode=mode, version=version):
            yield Said("run started", f"{plan.name} {mode} {version}".rstrip())
        case ev.Unknown(name=name, raw=raw):
            yield Said(f"{name} (of another version)", raw)
        case event:
            told = msgspec.to_builtins(event)
            text = "  ".join(_texts(told))
            if text:
                yield Said(str(told.get("kind", "")), text)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            if value:
                yield value
        case dict():
            for key, part in value.items():
                if key not in QUIET:
                    yield from _texts(part)
        case list() | tuple():
            for part in value:
                yield from _texts(part)
