"""The recorded demo as if its screen had been kept: after each gate and each failure what the board showed just before."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.events.screens import Why
from cockpit.export.film import Camera, shot_of
from cockpit.journal import line as lines
from cockpit.journal.reader import records
from cockpit.journal.screens import ScreenFiles
from cockpit.picture.ink import Picture, text_of
from cockpit.picture.svg import svg
from cockpit.reduce import reduce
from cockpit.state import RunState


def screened(recording: Path, folder: Path, size: tuple[int, int] = (80, 24)) -> Path:
    """The journal in `folder`, with its screens beside it."""
    state, head, seq = RunState(), lines.START, 0
    files = ScreenFiles(folder)
    journal = folder / "journal.jsonl"
    with journal.open("wb") as target:
        for record in records(recording):
            before = state
            shown = seq
            seq += 1
            record = replace(record, seq=seq)
            state = reduce(state, record)
            made, head = lines.encode(record, head)
            target.write(made)
            about = _about(record.event)
            if about is None:
                continue
            seq += 1
            shot = shot_of(before, Camera(size=size), record.utc)
            picture = Picture(*size, shot.lines)
            title = f"What was on the screen of {record.actor}: {about[1]}"
            kept = files.write(" ".join(about), svg(picture, title), text_of(picture))
            event = ev.ScreenKept(
                why=about[0], of=about[1], by=record.actor, shown=shown, page="board", width=size[0], height=size[1],
                version=state.version, file=kept.file, bytes=kept.bytes, svg=kept.svg, text=kept.text,
            )  # fmt: skip
            made, head = lines.encode(replace(record, seq=seq, event=event), head)
            target.write(made)
    return journal


def _about(event: ev.Event) -> tuple[Why, str] | None:
    match event:
        case ev.GateOpened(gate=gate):
            return "confirmed", f"open-gate {gate}"
        case ev.StepMoved(ref=ref, state=word) if word in ev.FAILURES:
            return "failed", ref
        case _:
            return None
