"""One conductor a run: a lock on the run folder that the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.journal.folder import RunFolder


class Locked(Exception):
    """Another conductor holds the run; the sentence names it."""


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process. Raises Locked."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 64).decode(errors="replace").strip() or "another process"
            called = RunFolder(folder).called
            raise Locked(
                f"process {holder} conducts {folder.name}; look at it with `cockpit attach {called}`"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
