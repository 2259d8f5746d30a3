"""Opening a journal for reading: an ordinary file, or a sentence that says why not. Nothing is ever waited for or created."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WHY = {
    errno.ENOENT: "it is not there",
    errno.EACCES: "this account may not read it",
    errno.EPERM: "this account may not read it",
    errno.ELOOP: "it is a symbolic link that leads back to itself",
    errno.ENXIO: "it is a socket, not a file",
    errno.ENOTDIR: "a part of its path is no folder",
}


class JournalUnreadable(Exception):
    """The file cannot be read at all; the sentence names it and says why."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file} cannot be read: {why}")
        self.why = why


def open_journal(file: Path) -> tuple[int, int]:
    """(descriptor, size in bytes now) of a file that is open for reading. Raises JournalUnreadable."""
    try:
        # A named pipe without a writer would be waited for, a terminal would become ours.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise JournalUnreadable(file, _WHY.get(error.errno or 0, error.strerror or str(error))) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise JournalUnreadable(file, f"it is {kind}, not a file")
    return descriptor, status.st_size


@contextmanager
def reading(file: Path) -> Iterator[tuple[int, int]]:
    """`open_journal`, closed again at the end. Raises JournalUnreadable."""
    descriptor, size = open_journal(file)
    try:
        yield descriptor, size
    finally:
        os.close(descriptor)
