"""Where the events of a recording come from: a journal file, or records that are in memory."""

from __future__ import annotations

import bisect
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from cockpit.events import Record, RunStarted
from cockpit.journal.keyframes import KeyframeFile
from cockpit.journal.line import head_after
from cockpit.journal.opening import open_journal
from cockpit.journal.salvage import Damage
from cockpit.plan.model import Plan
from cockpit.replay.index import Piece, index, read_back
from cockpit.replay.survey import LENGTH, Checked, Framed, Indexed, Message, message, survey, unpacked
from cockpit.replay.timeline import Moment, Timeline, timeline
from cockpit.state import RunState

SMALL = 2 << 20
"""Bytes of a journal that is read through before the screen opens: it takes a few hundredths of a second."""

AT_ONCE = 8 << 20
"""Bytes that are read together where events are asked for."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a recording as a whole."""

    size: int = 0
    read: int = 0
    """Bytes that the index covers."""
    checked: int = 0
    """Bytes whose chain is checked."""
    complete: bool = False
    """The index covers all that can be read."""
    done: bool = False
    """The chain is checked to its end."""
    head: str = ""
    damages: tuple[Damage, ...] = ()
    damaged: int = 0
    """How many damages there are; `damages` holds the first of them."""
    torn: str = ""
    notes: tuple[Damage, ...] = ()
    """What does not fit beside the journal."""


class ListStore:
    """Records in memory."""

    surveying = False
    survey_process = 0

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.timeline = timeline(records)
        self.known = Known(complete=True, done=True)

    def records(self, first: int, last: int) -> list[Record]:
        """A slice."""
        return list(self._records[first:last])

    def nearest(self, count: int) -> tuple[int, RunState] | None:
        """There are no keyframes."""
        return None

    def close(self) -> None:
        """Nothing is held."""


class FileStore:
    """A journal file. A small one is read through at once; of a longer one the beginning is, and a process of its own reads the
    rest while the recording is in use already. Nothing is written into the run's folder."""

    def __init__(self, file: Path, small: int = SMALL) -> None:
        self._file = file
        self._descriptor, size = open_journal(file)
        self._offsets, self._seqs = array("q"), array("q")
        self._utc, self._shown = array("d"), array("d")
        self._moments: tuple[Moment, ...] = ()
        self.timeline = Timeline(seqs=self._seqs, utc=self._utc, shown=self._shown)
        self.known = Known(size=size)
        self._own: list[tuple[int, int, int]] = []
        """(events, offset, size) of the states that the survey has kept."""
        self._frames: IO[bytes] | None = None
        self._keyframes = KeyframeFile(file)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        if size <= small:
            for found in survey(file, self._descriptor, size):
                self._apply(found)
            return
        for piece in index(self._descriptor, size):
            self._apply(piece)
            if len(self.timeline):
                break
        self._start(size)

    @property
    def surveying(self) -> bool:
        """Whether something is still being found out."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def survey_process(self) -> int:
        """The process that finds it out; 0 without one."""
        return self._process.pid if self._process is not None else 0

    # --- reading -------------------------------------------------------------------------------------------------

    def records(self, first: int, last: int) -> list[Record]:
        """Read and decoded now. An event that is not any more where it was is left out."""
        found: list[Record] = []
        while first < last:
            start = self._offsets[first]
            upto = bisect.bisect_left(self._offsets, start + AT_ONCE, first + 1, last)
            stop = self._offsets[upto] if upto < len(self._offsets) else self.known.size
            data = self._read(start, stop - start)
            for place in range(first, upto):
                begin = self._offsets[place] - start
                end = data.find(b"\n", begin)
                record = read_back(data[begin:end]) if end >= 0 else None
                if record is not None:
                    found.append(record)
            first = upto
        return found

    def _read(self, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        with contextlib.suppress(OSError):
            while size > 0 and (part := os.pread(self._descriptor, min(size, 1 << 24), offset)):
                parts.append(part)
                offset += len(part)
                size -= len(part)
        return b"".join(parts)

    def nearest(self, count: int) -> tuple[int, RunState] | None:
        """The latest whole state at or before that many events: one of the survey's, or of the keyframes in the run's folder."""
        place = bisect.bisect_right(self._own, (count, sys.maxsize, 0)) - 1
        own = self._own[place] if place >= 0 else None
        kept = self._kept(count, own[0] if own is not None else 0)
        if kept is not None:
            return kept
        if own is not None and self._frames is not None:
            with contextlib.suppress(OSError, ValueError):
                return own[0], unpacked(os.pread(self._frames.fileno(), own[2], own[1]), self._plan())
        return None

    def _kept(self, count: int, over: int) -> tuple[int, RunState] | None:
        """From the keyframes in the run's folder, where one is between `over` and `count` events and fits the journal. Behind
        damage none fits: it holds what the journal does not tell any more."""
        whole = min((damage.at for damage in self.known.damages), default=count)
        seqs = self.timeline.seqs
        for place in reversed(self._keyframes.places()):
            at = bisect.bisect_right(seqs, place.seq)
            if at > min(count, whole) or not at or seqs[at - 1] != place.seq:
                continue
            if at <= over:
                break
            line = self._read(self._offsets[at - 1], self._end(at - 1) - self._offsets[at - 1])
            if head_after(line.partition(b"\n")[0]) != place.head:
                continue
            state = self._keyframes.read(place)
            if state is not None:
                return at, replace(state, plan=self._plan())
        return None

    def _end(self, place: int) -> int:
        return self._offsets[place + 1] if place + 1 < len(self._offsets) else self.known.size

    def _plan(self) -> Plan | None:
        """The plan that the first event holds."""
        first = self.records(0, 1)
        event = first[0].event if first else None
        return event.plan if isinstance(event, RunStarted) else None

    def close(self) -> None:
        """End the process, if it still reads, and let go of the files."""
        if self._closed:
            return
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._thread is not None:
            self._thread.join()
        if self._frames is not None:
            self._frames.close()
        os.close(self._descriptor)

    # --- finding out ---------------------------------------------------------------------------------------------

    def _start(self, size: int) -> None:
        with contextlib.suppress(OSError):
            self._frames = tempfile.TemporaryFile(prefix="cockpit-replay-")  # noqa: SIM115
        frames = self._frames.fileno() if self._frames is not None else -1
        passed = [self._descriptor] + ([frames] if frames >= 0 else [])
        words = [str(self._file), str(self._descriptor), str(size), str(frames)]
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                # -P: what lies in the folder of whoever called us is none of ours.
                [sys.executable, "-P", "-m", "cockpit.replay.survey", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,
            )
        self._thread = threading.Thread(target=self._follow, args=(size,), name="survey", daemon=True)
        self._thread.start()

    def _follow(self, size: int) -> None:
        try:
            for found in self._told():
                self._apply(found)
            if not self.known.done and not self._closed:
                # The process could not start, or has died: it is done here, more slowly.
                for found in survey(self._file, self._descriptor, size):
                    if self._closed:
                        return
                    self._apply(found)
        except OSError as error:
            if not self._closed:
                self._apply(self._broken_off(error))
                self.known = replace(self.known, complete=True)

    def _broken_off(self, error: OSError) -> Checked:
        """What is known where the file cannot be read to its end: nothing more will be."""
        at = len(self.timeline)
        why = f"it cannot be read any further: {error.strerror}"
        seq = self.timeline.seqs[-1] if at else 0
        damage = Damage(line=at + 1, last=at + 1, kind="line", why=why, seq=seq, at=at)
        return Checked(read=self.known.checked, damages=(damage,), damaged=self.known.damaged + 1, done=True)

    def _told(self) -> Iterator[Message]:
        if self._process is None or self._process.stdout is None:
            return
        with self._process.stdout as source:
            while len(head := source.read(LENGTH.size)) == LENGTH.size:
                length = LENGTH.unpack(head)[0]
                data = source.read(length)
                if len(data) < length:
                    return
                yield message(data)

    def _apply(self, found: Message) -> None:
        known = self.known
        match found:
            case Piece():
                if found.first == len(self.timeline):
                    self._grow(found)
                    self.known = replace(known, read=max(known.read, found.read))
            case Indexed():
                self.known = replace(known, read=known.size, complete=True)
            case Framed():
                self._own.append((found.count, found.offset, found.size))
            case Checked():
                if not known.done and found.read >= known.checked:
                    self._check(found)

    def _grow(self, piece: Piece) -> None:
        # Whoever reads meanwhile takes the length from `seqs`: it grows last.
        self._offsets.frombytes(piece.offsets)
        self._utc.frombytes(piece.utc)
        self._shown.frombytes(piece.shown)
        self._moments = (*self._moments, *piece.moments)
        self._seqs.frombytes(piece.seqs)
        self.timeline = replace(self.timeline, moments=self._moments)

    def _check(self, found: Checked) -> None:
        known = self.known
        damages = (*known.damages, *(damage for damage in found.damages if damage not in known.damages))
        self.known = replace(
            known,
            checked=found.read,
            damages=damages,
            damaged=found.damaged,
            done=found.done,
            head=found.head,
            torn=found.torn,
            notes=found.notes,
        )
        if len(damages) > len(known.damages):
            last = max(0, len(self.timeline) - 1)
            new = [
                Moment(index=min(damage.at, last), kind="damage", text=f"line {damage.line}: {damage.text}")
                for damage in damages[len(known.damages) :]
            ]
            self._moments = tuple(sorted((*self._moments, *new), key=lambda moment: moment.index))
            self.timeline = replace(self.timeline, moments=self._moments)
