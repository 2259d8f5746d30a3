"""What was on a screen, beside the journal: a picture and its text, two files that an event names with their hashes."""

from __future__ import annotations

import contextlib
import os
import re
from hashlib import blake2b
from pathlib import Path

import msgspec

FOLDER = "screens"
LARGEST = 8 << 20
"""Bytes of one file that is read back."""

_FILE = re.compile(rf"{FOLDER}/[a-z0-9][a-z0-9-]{{0,80}}")


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Two files as they were written. `file` is their name without its end, from the run folder on."""

    file: str
    bytes: int
    svg: str
    text: str


class ScreenGone(Exception):
    """What was kept is not there any more, or is another one by now; the sentence says which file."""


class ScreenFiles:
    """The folder `screens` of a run."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        taken = [int(path.name[:5]) for path in self._folder.glob("[0-9]" * 5 + "-*") if path.name[:5].isdigit()]
        self._number = max(taken, default=0)
        self.bytes = sum(path.stat().st_size for path in self._folder.glob("*") if path.is_file())
        """Bytes of all that is in it."""

    def write(self, name: str, svg: str, text: str) -> Files:
        """Write both files and sync them. Blocks. `name` becomes part of their names. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._number += 1
        words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
        stem = f"{self._number:05d}-{words or 'screen'}"
        hashes: list[str] = []
        size = 0
        for end, content in ((".svg", svg), (".txt", text)):
            data = content.encode()
            path = self._folder / f"{stem}{end}"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as target:
                    target.write(data)
                    target.flush()
                    os.fdatasync(target.fileno())
            except OSError:
                for left in (".svg", ".txt"):
                    with contextlib.suppress(OSError):
                        (self._folder / f"{stem}{left}").unlink()
                raise
            hashes.append(_hash(data))
            size += len(data)
        self.bytes += size
        return Files(file=f"{FOLDER}/{stem}", bytes=size, svg=hashes[0], text=hashes[1])


def kept(run: Path, file: str, svg: str, text: str) -> tuple[bytes, str]:
    """(SVG, text) of the screen that was kept in the files `file`, as the hashes `svg` and `text` of the journal prove. Raises
    ScreenGone."""
    if not _FILE.fullmatch(file):
        raise ScreenGone(f"{file[:100]} is no name of a kept screen")
    return _proven(run, f"{file}.svg", svg), _proven(run, f"{file}.txt", text).decode("utf-8", "replace")


def _proven(run: Path, name: str, digest: str) -> bytes:
    path = run / name
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST:
            raise ScreenGone(f"{name} is not what was written there")
        data = path.read_bytes()
    except OSError as error:
        raise ScreenGone(f"{name} is missing ({error.strerror})") from None
    if _hash(data) != digest:
        raise ScreenGone(f"{name} was changed: its hash is not the one in the journal")
    return data


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
