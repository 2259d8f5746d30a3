"""Journals that something has befallen, each in a run folder of its own: what a disk, a program or a person can do to one."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cockpit import events as ev
from cockpit.journal import keyframes
from cockpit.journal import line as lines
from cockpit.plan.model import Gate
from cockpit.reduce import reduce
from cockpit.state import RunState
from tests.report.making import began, encoded, plan, service, step, told, written

COUNT = 60
GATE = 20
"""The event that opens the gate."""


def night(run: str = "r1", count: int = COUNT) -> list[ev.Record]:
    """A small night of `count` events: steps, outputs, logs, a gate, remarks that are no ASCII, an end."""
    first = began(
        plan(service("osf", step("osf/copy")), service("wwf", step("wwf/copy")), gates=(Gate(id="good", before=()),))
    )
    events: list[ev.Event] = [ev.RunStarted(run=run, plan=first.plan, version="1"), ev.WheelTaken(driver="tom")]
    while len(events) < count - 1:
        number = len(events) + 1
        ref = "osf/copy" if number % 2 else "wwf/copy"
        match number % 6:
            case 0:
                events.append(ev.StepMoved(ref=ref, attempt=1, state="running"))
            case 1:
                events.append(ev.StepMoved(ref=ref, attempt=1, state="done", took=1.0))
            case 2 if number == GATE:
                events.append(ev.GateOpened(gate="good", by="tom"))
            case 3:
                text = f"line {number}"
                events.append(
                    ev.LogSeen(host="old", file="/l", lines=(text,), raw="raw/log.old", offset=number * 10, length=10)
                )
            case 4:
                events.append(
                    ev.StepOutput(
                        ref=ref, attempt=1, op="apply", stream="out", lines=("x",), file="raw/job.out", length=5
                    )
                )
            case _:
                events.append(ev.Noted(text=f"schön, bemerkt um {number}"))
    events.append(ev.RunEnded(verdict="all is well"))
    return told(events)


def whole(folder: Path, records: list[ev.Record] | None = None) -> Path:
    """A run folder in which nothing is wrong: journal, keyframes, raw files. Returns the journal."""
    records = night() if records is None else records
    folder.mkdir(parents=True, exist_ok=True)
    journal = written(folder / "journal.jsonl", records)
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw/log.old").write_bytes(b"x" * 10 * COUNT + b"x" * 10)
    (folder / "raw/job.out").write_bytes(b"x" * 5)
    state, head, blob = RunState(), lines.START, b""
    for record in records:
        state = reduce(state, record)
        _, head = lines.encode(record, head)
        if record.seq % 20 == 0:
            blob += keyframes.encode(state, head)
    (folder / "keyframes.jsonl").write_bytes(blob)
    return journal


Lines = list[bytes]


def _edit(change: Callable[[Lines], Lines]) -> Callable[[Path], None]:
    def made(folder: Path) -> None:
        journal = whole(folder)
        journal.write_bytes(b"".join(change(journal.read_bytes().splitlines(keepends=True))))

    return made


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def made(folder: Path) -> None:
        journal = whole(folder)
        journal.write_bytes(change(journal.read_bytes()))

    return made


def _flip(place: int, number: int = 30, mask: int = 1) -> Callable[[Path], None]:
    def change(split: Lines) -> Lines:
        line = bytearray(split[number - 1])
        line[place] ^= mask
        return [*split[: number - 1], bytes(line), *split[number:]]

    return _edit(change)


def forged(split: Lines, number: int, event: ev.Event) -> Lines:
    """The lines with another event in one, whose checksum is right again."""
    raw = split[number - 1]
    was, _ = lines.decode(raw[:-1], None)
    record = ev.Record(seq=was.seq, utc=was.utc, mono=was.mono, actor=was.actor, event=event)  # type: ignore[arg-type]
    return [*split[: number - 1], lines.encode(record, raw[26:58].decode())[0], *split[number:]]


def framed(body: bytes, prev: str) -> bytes:
    """A line around any body, with the right checksum."""
    seed = prev.encode()
    return b'{"crc":"%08x","prev":"%s","rec":%s}\n' % (zlib.crc32(body, zlib.crc32(seed)), seed, body)


def _future(split: Lines, event: bytes, *, rest: bool = True) -> Lines:
    """The last event is one of a version that is not known, and then there is the end again."""
    head = lines.decode(split[-2][:-1], None)[1]
    body = b'{"seq":%d,"utc":1800000060.0,"mono":60.0,"actor":"tom","event":%s}' % (len(split), event)
    line = framed(body, head)
    ending, _ = lines.decode(split[-1][:-1], None)
    last = ev.Record(seq=len(split) + 1, utc=ending.utc, mono=ending.mono, actor="tom", event=ending.event)
    after = lines.head_after(line[:-1])
    return [*split[:-1], line, *([lines.encode(last, after)[0]] if rest else [])]


def _other_frame(split: Lines) -> Lines:
    made = []
    for raw in split:
        found = json.loads(raw)
        made.append(json.dumps({"v": 2, "sum": found["crc"], "rec": found["rec"]}, ensure_ascii=False).encode() + b"\n")
    return made


def _folder_as_journal(folder: Path) -> None:
    (folder / "journal.jsonl").mkdir(parents=True)


def _loop(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").symlink_to(folder / "journal.jsonl")


def _dangling(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").symlink_to(folder / "gone.jsonl")


def _pipe(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / "journal.jsonl")


def _device(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").symlink_to("/dev/zero")


def _unreadable(folder: Path) -> None:
    whole(folder).chmod(0)


def _database(folder: Path) -> None:
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "journal.jsonl") as base:
        base.execute("create table events (seq integer)")
    base.close()


def _zip(folder: Path) -> None:
    journal = whole(folder)
    data = journal.read_bytes()
    with zipfile.ZipFile(journal, "w") as archive:
        archive.writestr("journal.jsonl", data)


def _foreign_keyframes(folder: Path) -> None:
    whole(folder, night("another"))
    frames = (folder / "keyframes.jsonl").read_bytes()
    whole(folder)
    (folder / "keyframes.jsonl").write_bytes(frames)


def _damaged_keyframes(folder: Path) -> None:
    whole(folder)
    data = bytearray((folder / "keyframes.jsonl").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "keyframes.jsonl").write_bytes(data)


def _no_keyframes_at_all(folder: Path) -> None:
    whole(folder)
    (folder / "keyframes.jsonl").write_bytes(b"these are no keyframes\n")


def _no_raw(folder: Path) -> None:
    whole(folder)
    for file in (folder / "raw").iterdir():
        file.unlink()
    (folder / "raw").rmdir()


def _one_raw_gone(folder: Path) -> None:
    whole(folder)
    (folder / "raw/job.out").unlink()


def _raw_cut(folder: Path) -> None:
    whole(folder)
    os.truncate(folder / "raw/log.old", 77)


class Kind(NamedTuple):
    """What befell a journal, how it is made, how many events can still be read, and what is said of it. `{}` is the journal's
    path in the sentence. `sound`: the chain of what is there holds."""

    name: str
    make: Callable[[Path], None]
    events: int
    sentence: str
    sound: bool = False


TORN = "the last {} bytes are a torn tail, as a power cut leaves it; they are left out"
UTF16 = "it was converted to UTF-16; convert it back (iconv -f UTF-16 -t UTF-8) and open that"


def _length(number: int) -> int:
    return len(list(encoded(night()))[number - 1])


KINDS: tuple[Kind, ...] = (
    Kind("torn in its last line", _bytes(lambda data: data[:-40]), 59, "{}:60: " + TORN.format(_length(60) - 40), True),
    Kind("without its last newline", _bytes(lambda data: data[:-1]), 59, "{}:60: " + TORN.format(_length(60) - 1), True),
    Kind("with a bad last line that ends", _flip(90, 60), 59, "{}:60: " + TORN.format(_length(60)), True),
    Kind("with NUL at its end", _bytes(lambda data: data + bytes(4096)), 60, "{}:61: " + TORN.format(4096), True),
    Kind("with a bit flipped in an event", _flip(150), 59, "{}:30: its checksum does not match its content"),
    Kind("with a bit flipped in a checksum", _flip(9), 59, "{}:30: its checksum does not match its content"),
    Kind("with a bit flipped in the chain", _flip(30), 59, "{}:30: its checksum does not match its content"),
    Kind("with a bit flipped in the frame", _flip(60), 59, "{}:30: its frame is broken"),
    Kind("with a bit flipped in a newline", _flip(-1), 58, "{}:30: its checksum does not match its content"),
    Kind("with a checksum in capitals", _edit(lambda s: [*s[:29], s[29][:8] + s[29][8:16].upper() + s[29][16:], *s[30:]]), 59,
         "{}:30: its checksum does not match its content"),
    Kind("with two lines swapped", _edit(lambda s: [*s[:29], s[30], s[29], *s[31:]]), 59,
         "{}:30: event 30 is missing before event 31: lines were taken out"),
    Kind("with a line moved to the end", _edit(lambda s: [*s[:29], *s[30:], s[29]]), 59,
         "{}:60: event 30 stands behind event 60: lines were moved or put in; it is left out"),
    Kind("with a line twice", _edit(lambda s: [*s[:30], s[29], *s[30:]]), 60, "{}:31: event 30 stands here a second time; it is left out"),
    Kind("with a line taken out", _edit(lambda s: [*s[:29], *s[30:]]), 59, "{}:30: event 30 is missing before event 31: lines were taken out"),
    Kind("with ten lines taken out", _edit(lambda s: [*s[:29], *s[39:]]), 50,
         "{}:30: events 30 to 39 are missing before event 40: lines were taken out"),
    Kind("with its first event missing", _edit(lambda s: s[1:]), 59,
         "{}:1: event 1 is missing at the beginning, before event 2: lines were taken out"),
    Kind("with a changed event whose checksum is right", _edit(lambda s: forged(s, GATE, ev.GateOpened(gate="good", by="eve"))), 60,
         "{}:20: event 20 (gate.opened) was changed after it was written: line 21 does not follow from it"),
    Kind("with a changed first event whose checksum is right",
         _edit(lambda s: forged(s, 1, ev.Noted(text="nothing happened"))), 60,
         "{}:1: event 1 (note) was changed after it was written: line 2 does not follow from it"),
    Kind("with a line of rubbish in it", _edit(lambda s: [*s[:29], b"rubbish\n", *s[29:]]), 60, "{}:30: it is not a journal line"),
    Kind("with an empty line in it", _edit(lambda s: [*s[:29], b"\n", *s[29:]]), 60, "{}:30: it is empty"),
    Kind("with a line of NUL", _edit(lambda s: [*s[:29], bytes(len(s[29]) - 1) + b"\n", *s[30:]]), 59,
         f"{{}}:30: it is {_length(30) - 1} bytes of NUL: the disk lost what stood there"),
    Kind("with NUL before a line", _edit(lambda s: [*s[:29], bytes(512) + s[29], *s[30:]]), 60,
         "{}:30: 512 bytes of NUL stand around it: the disk lost what stood there"),
    Kind("filled with NUL", _bytes(lambda data: bytes(len(data))), 0, "{}:1: it is "),
    Kind("of size zero", _bytes(lambda data: b""), 0, "{}:1: it is empty: nothing was ever written, or the disk lost it"),
    Kind("of one newline", _bytes(lambda data: b"\n"), 0, "{}:1: it is empty"),
    Kind("with an event of a kind that is not known", _edit(lambda s: _future(s, b'{"kind":"moon.phase","phase":"full"}')), 61,
         "event 60 is of another version: moon.phase", True),
    Kind("with newer fields in an event", _edit(lambda s: _future(s, b'{"kind":"note","text":"x","mood":"good"}')), 61, "all is well", True),
    Kind("with a newer value in an event", _edit(lambda s: _future(s, b'{"kind":"gate.opened","gate":7,"by":"tom"}')), 61,
         "event 60 is of another version: gate.opened", True),
    Kind("with a newer shape of an event", _edit(lambda s: _future(s, b'["moon.phase"]')), 60,
         "{}:60: it is no record: Expected `object`, got `array`"),
    Kind("in the frame of a newer version", _edit(_other_frame), 60,
         "{}:1: its frame is that of another version or program: nothing proves it (and so to line 60)"),
    Kind("of an older version, whose first event has no version", _edit(
        lambda s: list(encoded([ev.Record(seq=1, utc=1.0, mono=0.0, actor="", event=began(plan(service("osf"))))])) if s else s), 1,
        "", True),
    Kind("with a number beyond all numbers", _edit(lambda s: [*s[:29], framed(
        b'{"seq":99999999999999999999,"utc":1.0,"mono":1.0,"actor":"","event":{"kind":"note","text":""}}', "0" * 32), *s[29:]]), 60,
        "{}:30: its number 99999999999999999999 is none that an event can have"),
    Kind("with a time beyond all clocks", _edit(lambda s: [*s[:29], framed(
        b'{"seq":30,"utc":1e300,"mono":1.0,"actor":"","event":{"kind":"note","text":""}}', "0" * 32), *s[29:]]), 60,
        "{}:30: its time 1e+300 is none that a clock can show"),
    Kind("with an event nested without end", _edit(lambda s: [*s[:29], framed(b"[" * 100_000, "0" * 32), *s[29:]]), 60,
         "{}:30: it is no record: Expected `object`, got `array`"),
    Kind("with a line of 70 MB", _edit(lambda s: [*s[:29], b"x" * (70 << 20) + b"\n", *s[29:]]), 60,
         f"{{}}:30: it is {70 << 20} bytes long, which no event is"),
    Kind("with line ends of another system", _bytes(lambda data: data.replace(b"\n", b"\r\n")), 60,
         "{}:1: it ends in CR LF: a program has converted the line ends (and so to line 60)"),
    Kind("with a byte order mark", _bytes(lambda data: b"\xef\xbb\xbf" + data), 60, "{}:1: a byte order mark stands before it"),
    Kind("in Latin-1", _bytes(lambda data: data.decode().encode("latin-1")), 60,
         "{}:5: it was converted from UTF-8 to another encoding"),
    Kind("in UTF-8 made twice", _bytes(lambda data: data.decode("latin-1").encode()), 60,
         "{}:5: it was converted to UTF-8 although it was that already"),
    Kind("in UTF-16", _bytes(lambda data: data.decode().encode("utf-16")), 0, "{}:1: " + UTF16),
    Kind("in UTF-16 without a mark", _bytes(lambda data: data.decode().encode("utf-16-le")), 0,
         "{}:1: it was converted to UTF-16; convert it back (iconv -f UTF-16LE -t UTF-8) and open that"),
    Kind("printed with blanks", _edit(lambda s: [json.dumps(json.loads(raw)).encode() + b"\n" for raw in s]), 60,
         "{}:1: its frame is that of another version or program: nothing proves it (and so to line 60)"),
    Kind("compressed with gzip", _bytes(gzip.compress), 0, "{}:1: it is compressed with gzip; unpack it (gunzip) and open that"),
    Kind("compressed with bzip2", _bytes(bz2.compress), 0, "{}:1: it is compressed with bzip2; unpack it (bunzip2) and open that"),
    Kind("compressed with xz", _bytes(lzma.compress), 0, "{}:1: it is compressed with xz; unpack it (unxz) and open that"),
    Kind("as a zip archive", _zip, 0, "{}:1: it is a zip archive; unpack it (unzip) and open what is in it"),
    Kind("replaced by a database", _database, 0, "{}:1: it is an SQLite database and no journal"),
    Kind("of text", _bytes(lambda data: b"hello\nworld\n"), 0, "{}:1: it is not a journal line"),
    Kind("followed by another journal", _bytes(lambda data: data + b"".join(encoded(night("r2", 90)))), 60,
         "{}:61: another journal begins here, behind event 60; it is left out (and so to line 150)"),
    Kind("followed by itself", _bytes(lambda data: data + data), 60,
         "{}:61: event 1 stands behind event 60: lines were moved or put in; it is left out (and so to line 119)"),
    Kind("that is a folder", _folder_as_journal, -1, "{} cannot be read: it is a folder, not a file"),
    Kind("that is a pipe", _pipe, -1, "{} cannot be read: it is a pipe or a device, not a file"),
    Kind("that is a device without end", _device, -1, "{} cannot be read: it is a pipe or a device, not a file"),
    Kind("that leads back to itself", _loop, -1, "{} cannot be read: it is a symbolic link that leads back to itself"),
    Kind("that leads nowhere", _dangling, -1, "{} cannot be read: it is not there"),
    Kind("that may not be read", _unreadable, -1, "{} cannot be read: this account may not read it"),
)  # fmt: skip

BESIDE: tuple[Kind, ...] = (
    Kind("with the keyframes of another run", _foreign_keyframes, 60,
         "{frames}:1: the keyframe of event 20 belongs to another journal, or to this one as it was; it is not used; nor are 2 more", True),
    Kind("with a damaged keyframe", _damaged_keyframes, 60,
         "{frames}:2: it is no keyframe, or its checksum does not match its content; it is not used", True),
    Kind("with rubbish for keyframes", _no_keyframes_at_all, 60,
         "{frames}:1: it is no keyframe, or its checksum does not match its content; it is not used", True),
    Kind("without its raw files", _no_raw, 60,
         "{}:3: raw/ is missing, and with it the bytes of 2 outputs and logs; their lines are in the journal", True),
    Kind("without one raw file", _one_raw_gone, 60,
         "{}:4: raw/job.out is missing; 10 events point to it, and their lines are in the journal", True),
    Kind("with a raw file that is cut", _raw_cut, 60,
         "{}:3: raw/log.old is cut: it has 77 bytes, and events point as far as byte 580", True),
)  # fmt: skip
