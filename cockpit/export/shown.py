"""Screens that were kept while a run went on: listed, read back, written out."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.events import Record, ScreenKept
from cockpit.export.file import written
from cockpit.export.making import NoSuchMoment, Source
from cockpit.journal.screens import ScreenGone, kept
from cockpit.picture.svg import NotOurs, again
from cockpit.text import harmless, unseen
from cockpit.ui.paint import when


def listed(source: Source) -> Iterator[str]:
    """A line for each screen that was kept, and whether its files are what the journal says."""
    for record, event in _all(source):
        size = f"{event.width}x{event.height}"
        by, of = harmless(event.by, 200), harmless(event.of, 1000)
        line = f"{record.seq:>9}  {when(record.utc)} UTC  {event.why:<9}  {size:<9} {by:<16} {of}"
        try:
            kept(source.file.parent, event.file, event.svg, event.text)
        except ScreenGone as error:
            line += f"  ({harmless(str(error), 200)})"
        yield line


def screen(source: Source, seq: int) -> tuple[bytes, str]:
    """(SVG, text) of the screen that event `seq` tells of. A run may have come from somebody else: what is no picture of ours, or
    would act on a terminal, does not come out. Raises NoSuchMoment and ScreenGone."""
    near: list[int] = []
    for record, event in _all(source):
        if record.seq == seq:
            picture, text = kept(source.file.parent, event.file, event.svg, event.text)
            try:
                again(picture)
                return picture, "".join(f"{unseen(line)}\n" for line in text.removesuffix("\n").split("\n"))
            except NotOurs as error:
                raise ScreenGone(f"{event.file}.svg is no picture of ours: {error}") from None
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
