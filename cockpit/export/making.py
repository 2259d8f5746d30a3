"""Exports of a recording: which events, which screen, into which file. A damaged journal gives what can be read of it."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from cockpit.events import Record, StepMoved
from cockpit.export.cast import Head, cast
from cockpit.export.file import written
from cockpit.export.film import Camera, Shot, shot_of, shots
from cockpit.journal.keyframes import KeyframeFile, Place
from cockpit.journal.salvage import Damage, Salvage
from cockpit.picture.ink import Picture, text_of
from cockpit.picture.svg import svg
from cockpit.reduce import reduce
from cockpit.state import RunState
from cockpit.ui.paint import when

TELL = 0.5
"""Seconds between two words about how far it is."""


class NoSuchMoment(Exception):
    """The recording has no such event, step or service; the sentence says which."""


Said = Callable[[int, int, float], None]
"""Is told bytes read, bytes of all, and seconds shown so far."""


class Source:
    """A journal that is read once more for each export."""

    def __init__(self, file: Path, said: Said = lambda read, whole, shown: None) -> None:
        self.file = file
        self._said = said
        self._salvage = Salvage(file)
        self._told = time.monotonic()
        self.shown = 0.0

    @property
    def damages(self) -> Sequence[Damage]:
        """What was wrong with the journal, as far as it was read last: the first ones."""
        return self._salvage.damages

    @property
    def whole(self) -> bool:
        """Whether nothing was, as far as it was read last."""
        return self._salvage.whole

    def records(self, telling: bool = True) -> Iterator[Record]:
        """Every record that can be read, in order."""
        self._salvage = Salvage(self.file)
        whole = self.file.stat().st_size
        for count, record in enumerate(self._salvage.records()):
            if telling and count % 256 == 0 and time.monotonic() - self._told > TELL:
                self._told = time.monotonic()
                self._said(self._salvage.size, whole, self.shown)
            yield record

    def upto(self, seq: int) -> tuple[RunState, Iterator[Record]]:
        """The state right after event `seq`, or after the last one before it, and the records behind it."""
        frames = KeyframeFile(self.file)
        place = next((place for place in reversed(frames.places()) if place.seq <= seq), None)
        # A journal that the keyframe does not fit is read once more, and all of it folded.
        found = self._from(frames, place, seq) or self._from(frames, None, seq)
        return found if found is not None else (RunState(), iter(()))

    def _from(self, frames: KeyframeFile, place: Place | None, seq: int) -> tuple[RunState, Iterator[Record]] | None:
        """The same, going on from a keyframe; None where that does not fit what was read up to it."""
        state, records = RunState(), self.records()
        for record in records:
            if place is not None and record.seq >= place.seq:
                frame = frames.read(place) if self._fits(place, record) else None
                if frame is None:
                    return None
                first = state if state.seq else reduce(state, record)
                state, place = replace(frame, plan=first.plan), None
            elif record.seq > seq:
                return state, itertools.chain((record,), records)
            elif place is None or not state.seq:
                # The first event holds the plan, which no keyframe does.
                state = reduce(state, record)
        return (state, iter(())) if place is None else None

    def _fits(self, place: Place, record: Record) -> bool:
        """Whether a keyframe is of the event that was just read. Behind damage none fits: it holds what the journal does not tell
        any more."""
        return record.seq == place.seq and self._salvage.head == place.head and self._salvage.whole

    def state_at(self, seq: int) -> RunState:
        """The state right after event `seq`, or after the last one with 0. Raises NoSuchMoment."""
        state, _ = self.upto(seq or sys.maxsize)
        if not state.seq:
            raise NoSuchMoment(f"{self.file} holds no event" + (f" before {seq}" if seq else ""))
        return state


def export_cast(source: Source, camera: Camera, name: str, version: int, force: bool) -> int:
    """Write a cast; returns how many shots are in it. Raises NoSuchMoment, Refused and OSError."""
    first = next(iter(source.records(telling=False)), None)
    if first is None:
        raise NoSuchMoment(f"{source.file} holds no event")
    state, rest = source.upto(camera.begin - 1)
    taken = shots(rest, camera, state)
    shot = next(taken, None)
    if shot is None:
        raise NoSuchMoment(f"{source.file} ends before event {camera.begin}")
    opening = state if state.seq else reduce(state, first)
    plan = opening.plan.name if opening.plan is not None else "a run without a beginning"
    title = f"{plan}: {opening.run} from {when(shot.now)} UTC, event {shot.seq}"
    head = Head(size=camera.size, title=title, began=shot.now, idle=round(camera.idle / camera.speed, 3))
    count = 0

    def counted() -> Iterator[Shot]:
        nonlocal count
        for one in itertools.chain((shot,), taken):
            count += 1
            source.shown = one.at
            yield one

    with written(name, force) as target:
        for line in cast(counted(), head, version):
            target.write(line.encode())
    return count


def export_moment(source: Source, camera: Camera, name: str, form: str, seq: int, force: bool) -> int:
    """Write the screen right after event `seq`, as `svg` or `text`; returns the event that it shows. Raises as `export_cast`."""
    state = source.state_at(seq)
    shot = shot_of(state, camera, state.utc)
    picture = Picture(*camera.size, shot.lines)
    text = text_of(picture)
    if form == "svg":
        title = f"{state.run}, {when(state.utc)} UTC, event {state.seq}"
        text = svg(
            picture, title, f"The {camera.view.page} of the cockpit, {camera.size[0]} by {camera.size[1]} cells."
        )
    with written(name, force) as target:
        target.write(text.encode())
    return state.seq


def aimed(source: Source, camera: Camera) -> None:
    """Check that the service that the camera is to look at is in the plan. Raises NoSuchMoment."""
    wanted = camera.view.service
    first = next(iter(source.records(telling=False)), None)
    plan = reduce(RunState(), first).plan if first is not None else None
    if wanted and plan is not None and wanted not in {service.id for service in plan.services}:
        known = ", ".join(service.id for service in plan.services[:8])
        raise NoSuchMoment(f"the plan of this run has no service {wanted}; it has {known}")


def clipped(source: Source, camera: Camera, begin: str, end: str) -> Camera:
    """The camera from one step to another: from the first move of `begin` to the last of `end`. Either may be the number of an
    event; '' is the beginning, the end. Raises NoSuchMoment."""
    refs = {ref for ref in (begin, end) if ref and not ref.isdigit()}
    spans: dict[str, tuple[int, int]] = {}
    for record in source.records() if refs else ():
        if isinstance(record.event, StepMoved):
            ref = record.event.ref
            spans[ref] = (spans.get(ref, (record.seq, 0))[0], record.seq)
    begin_seq = int(begin) if begin.isdigit() else _span(spans, begin)[0]
    end_seq = int(end) if end.isdigit() else _span(spans, end)[1]
    if end_seq and end_seq < begin_seq:
        raise NoSuchMoment(f"the clip would end at event {end_seq} before it begins at event {begin_seq}")
    return replace(camera, begin=begin_seq, end=end_seq)


def _span(spans: dict[str, tuple[int, int]], name: str) -> tuple[int, int]:
    """The first and the last move of the step of that name: SERVICE/STEP, or STEP where one service alone has it."""
    if not name:
        return 0, 0
    found = [ref for ref in spans if ref == name] or [ref for ref in spans if ref.partition("/")[2] == name]
    if len(found) == 1:
        return spans[found[0]]
    if found:
        raise NoSuchMoment(f"{name} could be {', '.join(sorted(found)[:5])}: name one of them")
    raise NoSuchMoment(f"no step {name} has moved in this run")
