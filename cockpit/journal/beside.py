"""What stands beside a journal and does not fit it: keyframes of another journal, raw files that are missing or cut.

The journal alone is the truth: these are notes, and no damage of the recording."""

from __future__ import annotations

from pathlib import Path

from cockpit.events import LogSeen, Record, StepOutput
from cockpit.journal import keyframes
from cockpit.journal.salvage import Damage

NAMED = 20
"""Raw files that are named; the others are counted."""


class _Pointer:
    __slots__ = ("end", "line", "seq", "times")

    def __init__(self, line: int, seq: int) -> None:
        self.line, self.seq, self.end, self.times = line, seq, 0, 0


class Beside:
    """Feed it every record in order, then ask what does not fit."""

    def __init__(self, journal: Path) -> None:
        self._folder = journal.parent
        self._frames = keyframes.KeyframeFile(journal)
        self._places = {place.seq: place for place in self._frames.places()}
        self._raw: dict[str, _Pointer] = {}
        self._foreign: list[Damage] = []

    def seen(self, record: Record, head: str, line: int, count: int) -> None:
        """One more event: the chain's `head` after it, its line, and how many events there are with it."""
        place = self._places.get(record.seq)
        if place is not None and place.head != head:
            why = f"the keyframe of event {record.seq} belongs to another journal, or to this one as it was; it is not used"
            self._foreign.append(_of_keyframes(place.line, why, record.seq, count))
        event = record.event
        if isinstance(event, StepOutput) and event.file:
            self._points(event.file, event.offset + event.length, record.seq, line)
        elif isinstance(event, LogSeen) and event.raw:
            self._points(event.raw, event.offset + event.length, record.seq, line)

    def _points(self, name: str, end: int, seq: int, line: int) -> None:
        pointer = self._raw.get(name)
        if pointer is None:
            pointer = self._raw[name] = _Pointer(line, seq)
        pointer.times += 1
        pointer.end = max(pointer.end, end)

    def found(self) -> list[Damage]:
        """What does not fit."""
        bad = [
            _of_keyframes(line, "it is no keyframe, or its checksum does not match its content; it is not used", 0, 0)
            for line in self._frames.bad()
        ]
        return _together(bad) + _together(self._foreign) + self._missing()

    def _missing(self) -> list[Damage]:
        if self._raw and not (self._folder / "raw").is_dir():
            first = min(self._raw.values(), key=lambda pointer: pointer.line)
            why = f"raw/ is missing, and with it the bytes of {len(self._raw)} outputs and logs; their lines are in the journal"
            return [Damage(line=first.line, last=first.line, kind="beside", why=why, seq=first.seq, kept=True)]
        found: list[Damage] = []
        for name, pointer in self._raw.items():
            why = self._why(name, pointer)
            if why:
                found.append(
                    Damage(line=pointer.line, last=pointer.line, kind="beside", why=why, seq=pointer.seq, kept=True)
                )
        over = len(found) - NAMED
        if over > 0:
            last = found[NAMED]
            why = f"{over} more raw files are missing or cut"
            found = [
                *found[:NAMED],
                Damage(line=last.line, last=last.line, kind="beside", why=why, seq=last.seq, kept=True),
            ]
        return found

    def _why(self, name: str, pointer: _Pointer) -> str:
        """Why a raw file does not fit; '' where it does. A name that leads out of the folder is nobody's to look at."""
        if not name.startswith("raw/") or ".." in name.split("/"):
            return "an event points to a file that is not in raw/; it is not looked at"
        try:
            size = (self._folder / name).stat().st_size
        except (OSError, ValueError):
            return f"{name} is missing; {_times(pointer.times)} to it, and their lines are in the journal"
        if size < pointer.end:
            return f"{name} is cut: it has {size} bytes, and events point as far as byte {pointer.end}"
        return ""


def _times(count: int) -> str:
    return "1 event points" if count == 1 else f"{count} events point"


def _of_keyframes(line: int, why: str, seq: int, count: int) -> Damage:
    return Damage(line=line, last=line, kind="beside", why=why, seq=seq, at=count, kept=True, file=keyframes.KEYFRAMES)


def _together(found: list[Damage]) -> list[Damage]:
    """Many of a kind are one, with the first of them in words."""
    if len(found) < 2:
        return found
    first = found[0]
    why = f"{first.why}; nor are {len(found) - 1} more"
    return [Damage(line=first.line, last=first.line, kind="beside", why=why, seq=first.seq, kept=True, file=first.file)]
