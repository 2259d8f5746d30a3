"""The transport bar: play or pause, the speed, the recording and all that one may want to go to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.replay.transport import Reading, Tape
from cockpit.ui.paint import Line, fit, width_of

SIGNS: dict[str, tuple[str, str, str]] = {
    "phase": ("┬", "headdim", "a service enters a phase"),
    "cut": ("╎", "headdim", "idle time is cut"),
    "wheel": ("w", "head", "the wheel changes hands"),
    "outage": ("▂", "headbad", "downtime runs"),
    "hit": ("*", "headmark", "what is looked for"),
    "note": ("✎", "head", "note"),
    "gate": ("◆", "headwarn", "gate"),
    "return": ("▲", "headwarn", "point of no return"),
    "unknown": ("?", "headwarn", "of another version"),
    "trouble": ("!", "headbad", "trouble"),
    "end": ("┤", "head", "the run ends"),
    "failure": ("✗", "headbad", "failure"),
    "damage": ("#", "headbad", "damage"),
}
"""Glyph, style and word of what stands on the scrubber; of several in one cell the last in this order is shown."""

RANK = {kind: number for number, kind in enumerate(SIGNS)}
WIDE = 120
"""Columns from which on the phases have a line of their own."""

Cells = tuple[str, ...]
"""What stands in each cell, by the names of `SIGNS`, '' for nothing."""


class Scrubber:
    """Paints readings, and remembers what only changes when the recording grows."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._cells: Cells = ()

    def lines(self, reading: Reading, width: int) -> list[Line]:
        """The transport bar in `width` columns: one line, with the phases two; one more for a hit, and one for a notice."""
        left, right = _left(reading), _right(reading, width)
        room = max(1, width - width_of(left) - width_of(right))
        row = [*left, *self._course(reading, room), *right]
        lines = [fit(row, width, "head")]
        if width >= WIDE:
            indent: Line = [(" " * width_of(left), "headdim")]
            event: Line = [("  ", "head"), (reading.event, "head")]
            lines.append(fit([*indent, *fit(phases(reading.tape, room), room, "headdim"), *event], width, "head"))
        if reading.hit:
            lines.append(fit([(" * ", "headmark"), (reading.hit, "head")], width, "head"))
        if reading.notice:
            lines.append(fit([(f" {reading.notice}", "headwarn")], width, "head"))
        return lines

    def _course(self, reading: Reading, width: int) -> Line:
        tape = reading.tape
        key = (width, len(tape.shown), len(tape.moments), len(tape.cuts), len(tape.hits), reading.whole)
        if key != self._key:
            self._key, self._cells = key, cells(tape, width)
        return course(self._cells, reading.share)


def cells(tape: Tape, width: int) -> Cells:
    """What stands in each of `width` cells of the course."""
    found = [""] * width
    length = tape.shown[-1] if len(tape.shown) else 0.0

    def at(index: int) -> int:
        return _cell(tape.shown, index, length, width)

    def put(index: int, kind: str) -> None:
        x = at(index)
        if RANK[kind] >= RANK.get(found[x], -1):
            found[x] = kind

    for first, last in tape.outages:
        for x in range(at(first), (at(last) if last >= 0 else width - 1) + 1):
            found[x] = "outage"
    for cut in tape.cuts:
        put(cut.index, "cut")
    for marker in tape.markers:
        if marker.kind in RANK:
            put(marker.index, marker.kind)
    for moment in tape.moments:
        if moment.kind == "failure":
            put(moment.index, "failure")
    for hit in tape.hits:
        put(hit, "hit")
    return tuple(found)


def course(cells: Cells, share: float) -> Line:
    """The course with the place on it: what is behind it is drawn thick."""
    place = min(len(cells) - 1, int(share * len(cells)))
    line: Line = []
    for x, kind in enumerate(cells):
        if x == place:
            glyph, style = "●", "headgood"
        elif kind:
            glyph, style, _ = SIGNS[kind]
        else:
            glyph, style = ("━", "head") if x < place else ("─", "headdim")
        if line and line[-1][1] == style:
            line[-1] = (line[-1][0] + glyph, style)
        else:
            line.append((glyph, style))
    return line


def phases(tape: Tape, width: int) -> Line:
    """The phases under the course, each where the first of its steps began."""
    row = [" "] * width
    length = tape.shown[-1] if len(tape.shown) else 0.0
    starts = [(_cell(tape.shown, index, length, width), name) for index, name in tape.bands]
    for number, (x, name) in enumerate(starts):
        end = next((other for other, _ in starts[number + 1 :] if other > x), width)
        text = f"│{name}"[: end - x]
        row[x:end] = text.ljust(end - x)
    return [("".join(row), "headdim")]


def lasting(seconds: float) -> str:
    """A span in words: `40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _cell(shown: Sequence[float], index: int, length: float, width: int) -> int:
    """The cell of an event."""
    if not length or not len(shown):
        return 0
    return min(width - 1, int(shown[min(index, len(shown) - 1)] / length * width))


def _left(reading: Reading) -> Line:
    if reading.behind == 0:
        return [(" ● live ", "headgood")]
    word = "▶" if reading.playing else "❚❚"
    return [(f" {word} {reading.speed:g}× ", "headwarn")]


def _right(reading: Reading, width: int) -> Line:
    """Least urgent first: the number of the event goes where there is little room, then the percentage."""
    total = str(reading.total)
    number: Line = [(f"  {reading.place:>{len(total)}}/{total}", "head")]
    share: Line = [(f"  {reading.share:4.0%}", "head")]
    clock: Line = [(f"  {reading.clock}", "headwarn")]
    more: Line = []
    if reading.behind > 0:
        more.append((f"  {lasting(reading.behind)} behind, $ live", "headwarn"))
    if reading.cut:
        more.append((f"  cut {lasting(reading.cut)}", "headwarn"))
    elif reading.whole:
        more.append(("  idle in full", "head"))
    if reading.found:
        more.append((f"  {reading.found}", "headmark"))
    end: Line = [(" ", "head")]
    for line in ([*number, *share, *clock, *more, *end], [*share, *clock, *more, *end], [*clock, *more, *end]):
        if width_of(line) <= width - 30:
            return line
    return [*clock, *more, *end]
