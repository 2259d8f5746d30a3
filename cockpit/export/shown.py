"""Screens that were kept while a run went on: listed, read back, written out."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.events import Record, ScreenKept
from cockpit.export.file import written
from cockpit.export.making import NoSuchMoment, Source
from cockpit.journal.screens import ScreenGone, kept
from cockpit.ui.paint import when


def listed(source: Source) -> Iterator[str]:
    """A line for each screen that was kept, and whether its files are what the journal says."""
    for record, event in _all(source):
        size = f"{event.width}x{event.height}"
        line = f"{record.seq:>9}  {when(record.utc)} UTC  {event.why:<9}  {size:<9} {event.by:<16} {event.of}"
        try:
            kept(source.file.parent, event.file, event.svg, event.text)
        except ScreenGone as error:
            line += f"  ({error})"
        yield line


def screen(source: Source, seq: int) -> tuple[bytes, str]:
    """(SVG, text) of the screen that event `seq` tells of. Raises NoSuchMoment and ScreenGone."""
    near: list[int] = []
    for record, event in _all(source):
        if record.seq == seq:
            return kept(source.file.parent, event.file, event.svg, event.text)
        near.append(record.seq)
    near.sort(key=lambda other: abs(other - seq))
    words = f"the nearest are {', '.join(map(str, sorted(near[:5])))}" if near else "none was kept in this run"
    raise NoSuchMoment(f"event {seq} tells of no screen that was kept; {words}")


def export_kept(source: Source, seq: int, name: str, form: str, force: bool) -> None:
    """Write a screen that was kept, as `svg` or `text`. Raises NoSuchMoment, ScreenGone, Refused and OSError."""
    picture, text = screen(source, seq)
    with written(name, force) as target:
        target.write(picture if form == "svg" else text.encode())


def _all(source: Source) -> Iterator[tuple[Record, ScreenKept]]:
    for record in source.records():
        if isinstance(record.event, ScreenKept):
            yield record, record.event
