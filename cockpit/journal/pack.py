"""One file with all of a run that can be shown to somebody: journal, keyframes, raw bytes, screens. No token, no key, no lab.

A pack is a gzipped tar file. Its first member, `pack.json`, names the run and the head of its journal's chain. The same run
gives the same bytes. What is unpacked is bounded, and goes by names of ours alone."""

from __future__ import annotations

import gzip
import io
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from cockpit import __version__
from cockpit.journal.folder import JOURNAL, RunFolder
from cockpit.journal.keyframes import KEYFRAMES
from cockpit.journal.reader import End, JournalDamaged, end

SUFFIX = ".cockpit"
NOTE = "pack.json"
MOST, MOST_BYTES = 200_000, 64 << 30
"""Members of a pack and bytes of all of them, unpacked, that are taken by default."""

_MEMBER = re.compile(rf"{re.escape(JOURNAL)}|{re.escape(KEYFRAMES)}|(?:raw|screens)/[^/\x00-\x1f]{{1,255}}")
_CHUNK = 1 << 20
HEADERS = 1 << 17
"""Bytes that may stand before the content of a member. Ours take some thousands; tarfile takes extended ones, and maps of sparse
files, into memory as they come."""


class BadPack(Exception):
    """A file that is no pack, or not one that can be trusted; the sentence says why."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack says of itself."""

    pack: int = 1
    run: str
    events: int
    head: str
    size: int
    """Bytes of the journal."""
    version: str = ""


def write(run: RunFolder, target: BinaryIO) -> Note:
    """Pack a run; returns what the pack says of itself. A run that goes on is packed as far as it has come. Raises
    JournalDamaged and OSError."""
    there = end(run.journal)
    note = Note(run=run.id, events=there.seq, head=there.head, size=there.size, version=__version__)
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        _add(tar, NOTE, io.BytesIO(data := msgspec.json.format(msgspec.json.encode(note))), len(data))
        for name, size in _members(run.path, there):
            with (run.path / name).open("rb") as source:
                _add(tar, name, source, size)
    return note


def _members(folder: Path, there: End) -> Iterator[tuple[str, int]]:
    """(name, bytes) of what goes with it, in order. Links and whatever else lies there stay."""
    yield JOURNAL, there.size
    others = [folder / KEYFRAMES, *sorted((folder / "raw").glob("*")), *sorted((folder / "screens").glob("*"))]
    for path in others:
        name = str(path.relative_to(folder))
        if path.is_file() and not path.is_symlink() and _MEMBER.fullmatch(name):
            yield name, path.stat().st_size


def _add(tar: tarfile.TarFile, name: str, source: BinaryIO, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, source)


def looks_like_one(file: Path) -> bool:
    """Whether a file may be a pack: it begins as gzip does (RFC 1952)."""
    try:
        with file.open("rb") as source:
            return source.read(2) == b"\x1f\x8b"
    except OSError:
        return False


def unpack(file: Path, under: Path, most_bytes: int = MOST_BYTES) -> RunFolder:
    """The run of a pack, in a folder of its own under `under`, mode 0700. Raises BadPack and OSError."""
    try:
        with gzip.open(file) as squeezed:
            run = _unpacked(file, _Members(squeezed), under, most_bytes)
            # The sum of all bytes stands at the very end (RFC 1952 §2.3.1); a tar file ends with blanks.
            if len(squeezed.read(_CHUNK)) == _CHUNK:
                raise BadPack(f"{file} goes on behind its end")
            return run
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        # ValueError: what tarfile says of a number in a header that is none.
        raise BadPack(f"{file} is no pack, or it is cut off: {error}") from None


class _Bounded(io.BufferedIOBase):
    """A file of which no more than `left` bytes are read. Raises tarfile.ReadError."""

    left = HEADERS

    def __init__(self, source: gzip.GzipFile) -> None:
        self._source = source

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        data = self._source.read(size)
        # Also at the end, which some headers make tarfile ask for again and again.
        self.left -= max(len(data), tarfile.BLOCKSIZE)
        if self.left < 0:
            raise tarfile.ReadError("a header of it is longer than any of ours")
        return data


class _Members:
    """The members of a pack, in order; none has more before its content than a header of ours. Raises tarfile.ReadError."""

    def __init__(self, source: gzip.GzipFile) -> None:
        self._source = _Bounded(source)
        self._tar = tarfile.open(fileobj=self._source, mode="r|")  # noqa: SIM115
        self.content = self._tar.extractfile

    def next(self) -> tarfile.TarInfo | None:
        """The next one; None behind the last."""
        self._source.left = HEADERS
        member: tarfile.TarInfo | None = self._tar.next()
        # What is content is counted by whoever takes it.
        self._source.left = sys.maxsize
        return member


def _unpacked(file: Path, tar: _Members, under: Path, most_bytes: int) -> RunFolder:
    note = _note(file, tar)
    folder = under / note.run
    folder.mkdir(mode=0o700)
    taken = count = 0
    while (member := tar.next()) is not None:
        count, taken = count + 1, taken + member.size
        if count > MOST or taken > most_bytes:
            raise BadPack(f"{file} unpacks to more than {MOST:,} files or {most_bytes:,} bytes")
        if not member.isreg() or not _MEMBER.fullmatch(member.name) or member.name.endswith(("/.", "/..")):
            raise BadPack(f"{file} holds {member.name[:100]!r}, which no pack of a run holds")
        source = tar.content(member)
        path = folder / member.name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if source is None or path.exists():
            raise BadPack(f"{file} holds {member.name[:100]} twice")
        with path.open("xb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
    run = RunFolder(folder)
    if not run.journal.is_file():
        raise BadPack(f"{file} holds no journal")
    return run


def _note(file: Path, tar: _Members) -> Note:
    first = tar.next()
    source = tar.content(first) if first is not None and first.isreg() and first.name == NOTE else None
    if source is None or first is None or first.size > 1 << 16:
        raise BadPack(f"{file} is no pack of a run: it does not begin with {NOTE}")
    try:
        note = msgspec.json.decode(source.read(), type=Note)
    except msgspec.MsgspecError as error:
        raise BadPack(f"{file}: its {NOTE} cannot be read: {error}") from None
    if note.pack != 1:
        raise BadPack(f"{file} was packed by a newer program ({note.version[:40]}): this one cannot open it")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,150}", note.run):
        raise BadPack(f"{file}: its run has no name that can be a folder's")
    return note


def check(run: RunFolder, file: Path) -> str:
    """A sentence when the journal of an unpacked run is not the one that was packed; '' when it is. Reads all of it."""
    with gzip.open(file) as squeezed:
        note = _note(file, _Members(squeezed))
    try:
        there = end(run.journal)
    except JournalDamaged as error:
        return f"{file} holds a journal that is not the one that was packed: {error}"
    if (there.seq, there.head) != (note.events, note.head):
        told = f"event {note.events} and head {note.head[:64]}"
        return f"{file} says {told}; its journal ends with event {there.seq} and head {there.head}"
    return ""
