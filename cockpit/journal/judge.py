"""What one line of a journal is, whatever befell it.

A line whose checksum holds is what was written. One that only was converted on its way (line ends, a byte order mark, another
encoding) is converted back, and the checksum decides whether that was right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from cockpit.events import Record, Unknown
from cockpit.journal import line as lines
from cockpit.text import harmless

FaultKind = Literal[
    "checksum", "line", "frame", "record", "empty", "nul", "long", "converted", "version",
    "changed", "missing", "order", "twice", "second", "beginning", "foreign", "beside",
]  # fmt: skip

LAST_UTC = 253402300800.0
"""The year 10000: no calendar here goes further."""
LAST_SEQ = 10**15

_BOM = b"\xef\xbb\xbf"
_FOREIGN = (
    (b"\x1f\x8b", "it is compressed with gzip; unpack it (gunzip) and open that"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it (unzstd) and open that"),
    (b"\xfd7zXZ\0", "it is compressed with xz; unpack it (unxz) and open that"),
    (b"BZh", "it is compressed with bzip2; unpack it (bunzip2) and open that"),
    (b"PK\x03\x04", "it is a zip archive; unpack it (unzip) and open what is in it"),
    (b"SQLite format 3\0", "it is an SQLite database and no journal"),
    (b"\xff\xfe", "it was converted to UTF-16; convert it back (iconv -f UTF-16 -t UTF-8) and open that"),
    (b"\xfe\xff", "it was converted to UTF-16; convert it back (iconv -f UTF-16 -t UTF-8) and open that"),
    (b'{\0"\0', "it was converted to UTF-16; convert it back (iconv -f UTF-16LE -t UTF-8) and open that"),
    (b'\0{\0"', "it was converted to UTF-16; convert it back (iconv -f UTF-16BE -t UTF-8) and open that"),
)


class Fault(NamedTuple):
    """What is wrong with a line, in a word and in a sentence."""

    kind: FaultKind
    why: str


class Lost(Exception):
    """A line that cannot be read."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.why)
        self.fault = fault


class Judged(NamedTuple):
    """A line that can be read. `prev` and `head`: the chain before and after it, '' where its frame does not tell. `fault` is
    what was wrong with it nevertheless."""

    record: Record
    prev: str
    head: str
    fault: Fault | None


class Named(msgspec.Struct, frozen=True):
    """The name of an event's kind, and nothing else of it."""

    kind: str = ""


class Slim(msgspec.Struct, frozen=True):
    """What a list of events needs to know of one."""

    seq: int
    utc: float
    mono: float
    actor: str
    event: Named


slim = msgspec.json.Decoder(Slim).decode
"""The least of an event from its record's bytes: as quick as can be. Raises msgspec.MsgspecError."""


class _Frame(msgspec.Struct, frozen=True):
    rec: msgspec.Raw


def foreign(first: bytes) -> str:
    """Why a file that begins with these bytes is no journal at all, '' when nothing tells so."""
    return next((why for magic, why in _FOREIGN if first.startswith(magic)), "")


def judge(raw: bytes, cut: int = 0) -> Judged:
    """What a line without its newline holds; `cut` bytes of it are not there. Raises Lost."""
    if cut:
        raise Lost(Fault("long", f"it is {len(raw) + cut} bytes long, which no event is"))
    try:
        return _read(raw, None)
    except lines.Damaged as error:
        why = str(error)
    if head := lines.head_after(raw):
        return _as_written(raw, head, why)
    for found, fault in _converted_back(raw):
        try:
            return _read(found, fault)
        except lines.Damaged:
            continue
    if not raw.strip():
        raise Lost(Fault("empty", "it is empty"))
    if not raw.strip(b"\0"):
        raise Lost(Fault("nul", f"it is {len(raw)} bytes of NUL: the disk lost what stood there"))
    if raw.startswith(b"{") and not raw.startswith(b'{"crc":"'):
        return _of_another_frame(raw)
    raise Lost(Fault(_kind(why), why))


def _read(raw: bytes, fault: Fault | None) -> Judged:
    record, head = lines.decode(raw, None)
    prev = raw[26:58].decode("ascii", "replace")
    why = insane(record)
    if why:
        raise Lost(Fault("record", why))
    return Judged(record, prev, head, fault)


def _as_written(raw: bytes, head: str, why: str) -> Judged:
    """A line that is what was written, and of whose event only the least can be read."""
    try:
        least = slim(raw[66:-1])
    except (msgspec.MsgspecError, RecursionError):
        raise Lost(Fault("record", why)) from None
    event = Unknown(name=harmless(least.event.kind, lines.LONGEST_NAME), raw=raw.decode(errors="replace"))
    record = Record(seq=least.seq, utc=least.utc, mono=least.mono, actor=least.actor, event=event)
    if insane(least):
        raise Lost(Fault("record", insane(least)))
    return Judged(record, raw[26:58].decode("ascii", "replace"), head, Fault("record", why))


def insane(record: Record | Slim) -> str:
    """Why an event cannot be placed, '' when it can."""
    if not 1 <= record.seq < LAST_SEQ:
        return f"its number {record.seq} is none that an event can have"
    if not (0 <= record.utc < LAST_UTC and math.isfinite(record.mono)):
        return f"its time {record.utc:g} is none that a clock can show"
    return ""


def _converted_back(raw: bytes) -> Iterator[tuple[bytes, Fault]]:
    """What the line may have been before something converted it, and how."""
    if raw.endswith(b"\r"):
        yield raw[:-1], Fault("converted", "it ends in CR LF: a program has converted the line ends")
    if raw.startswith(_BOM):
        without = raw.removeprefix(_BOM)
        yield without, Fault("converted", "a byte order mark stands before it")
        yield without.strip(), Fault("converted", "a byte order mark stands before it, and it ends in CR LF")
    if raw[:1] == b"\0" or raw[-1:] == b"\0":
        bare = raw.strip(b"\0")
        yield bare, Fault("nul", f"{len(raw) - len(bare)} bytes of NUL stand around it: the disk lost what stood there")
    if raw[:1].isspace() or raw[-1:].isspace():
        yield raw.strip(), Fault("converted", "blanks stand around it")
    bare = raw.strip()
    if not bare.isascii():
        for name in ("cp1252", "latin-1"):
            try:
                yield bare.decode(name).encode(), Fault("converted", "it was converted from UTF-8 to another encoding")
                yield (
                    bare.decode("utf-8").encode(name),
                    Fault("converted", "it was converted to UTF-8 although it was that already"),
                )
            except UnicodeError:
                continue


def _of_another_frame(raw: bytes) -> Judged:
    """A line of a version with another frame, as long as the record in it has its known place."""
    try:
        body = bytes(msgspec.json.decode(raw, type=_Frame).rec)
        record = lines.record_of(body)
    except (msgspec.MsgspecError, RecursionError, lines.Damaged):
        raise Lost(Fault("line", "it is not a journal line")) from None
    why = insane(record)
    if why:
        raise Lost(Fault("record", why))
    fault = Fault("version", "its frame is that of another version or program: nothing proves it")
    return Judged(record, "", "", fault)


def _kind(why: str) -> FaultKind:
    return "checksum" if "checksum" in why else "frame" if "frame" in why else "record" if "is no" in why else "line"


def kind_of(record: Record) -> str:
    """The kind of an event as it stands in the journal."""
    if isinstance(record.event, Unknown):
        return record.event.name
    tag = record.event.__struct_config__.tag
    return str(tag)
