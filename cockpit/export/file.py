"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class Refused(Exception):
    """The file is not written; the sentence says why."""


@contextlib.contextmanager
def written(name: str, force: bool = False) -> Iterator[BinaryIO]:
    """A place for the bytes of `name`: beside it, and under its name only when all of them are there. `-` is standard output.

    A file that is there is replaced with `force` alone; a pipe or a device takes the bytes as they come. Raises Refused and
    OSError."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    file = Path(name)
    if file.is_dir():
        raise Refused(f"{file} is a folder: name a file in it")
    if file.exists() and not file.is_file():
        with file.open("wb") as target:
            yield target
        return
    if file.exists() and not force:
        raise Refused(f"{file} is there already: name another one, or replace it with --force")
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{file.name[:100]}.", dir=file.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None
    try:
        with os.fdopen(handle, "wb") as target:
            yield target
        mask = os.umask(0)
        os.umask(mask)
        Path(beside).chmod(0o666 & ~mask)
        if force:
            Path(beside).replace(file)
        else:
            _named(Path(beside), file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise


def _named(beside: Path, file: Path) -> None:
    """Give the file its name unless another one has taken it meanwhile."""
    try:
        os.link(beside, file)
    except FileExistsError:
        raise Refused(f"{file} is there by now: name another one, or replace it with --force") from None
    except OSError:
        # A file system without hard links.
        beside.replace(file)
        return
    beside.unlink()
