"""The measures of a plan over time: a file beside it, one line a measure, only ever added to."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cockpit.survey.sizes import Measure

_DECODER = msgspec.json.Decoder(Measure)


def beside(plan: Path) -> Path:
    """Where the measures of a plan are kept."""
    return plan.with_name(f"{plan.stem}.survey.jsonl")


def read(file: Path) -> list[Measure]:
    """All measures, the oldest first. What is no measure, as a line that was cut off, is left out. Raises OSError."""
    found: list[Measure] = []
    if file.exists():
        for line in file.read_bytes().splitlines():
            try:
                found.append(_DECODER.decode(line))
            except msgspec.MsgspecError:
                continue
    return found


def add(file: Path, measures: list[Measure]) -> None:
    """Put measures behind those that are there; a line that was cut off is closed first. Raises OSError."""
    with file.open("ab+") as out:
        end = out.seek(0, 2)
        if end:
            out.seek(end - 1)
            if out.read(1) != b"\n":
                out.write(b"\n")
        out.write(b"".join(msgspec.json.encode(measure) + b"\n" for measure in measures))
