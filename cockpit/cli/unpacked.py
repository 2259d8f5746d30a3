"""A pack opened as it is: its run in a private folder that goes with this process, or with the next pack that is opened."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from cockpit.journal import pack
from cockpit.journal.folder import NoSuchRun, RunFolder
from cockpit.text import harmless

PREFIX = "cockpit-pack-"

LONGEST = 1000
"""Signs of a sentence that tells of a pack: it may hold words of who packed it."""

LOCK = ".lock"
"""Held by the process that unpacked, as long as it lives. The run lies beside it; none can have that name."""


def unpacked(file: Path) -> RunFolder:
    """The run of a pack, in a private folder that goes when this process ends. What killed processes left of theirs goes first.
    Raises NoSuchRun, OSError."""
    _sweep()
    under = _held()
    atexit.register(_remove, under)
    try:
        run = pack.unpack(file, under, shutil.disk_usage(under).free // 2)
        why = pack.check(run, file)
    except pack.BadPack as error:
        raise NoSuchRun(str(error)) from None
    if why:
        print(f"cockpit: {harmless(why, LONGEST)}", file=sys.stderr)
    return run


def _held() -> Path:
    """A new private folder whose lock this process holds until it ends. Raises OSError."""
    while True:
        under = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = os.open(under / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            continue  # Somebody who sweeps took it while it was empty.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)  # Somebody who sweeps was faster with the lock, too.
            continue
        except OSError:
            return under  # A file system without locks: nobody can sweep there.
        if os.fstat(lock).st_nlink:
            return under
        os.close(lock)


def _sweep() -> None:
    """Remove this account's folders whose process has ended without doing it: their locks are free."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = left.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
                _remove_free(left)


def _remove_free(left: Path) -> None:
    try:
        lock = os.open(left / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        # Its process ended before it had the lock. What has something else in it is no folder of ours, and stays.
        left.rmdir()
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(left)
    finally:
        os.close(lock)


def _remove(under: Path) -> None:
    """Remove the folder, its lock at the very end: what a removal that is cut off leaves can still be told by it."""
    with contextlib.suppress(OSError):
        for path in under.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path, ignore_errors=True)
        if list(under.iterdir()) == [under / LOCK]:
            (under / LOCK).unlink()
            under.rmdir()
