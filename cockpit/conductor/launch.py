"""Starting a conductor as a process of its own, which outlives the screen that asked for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path


def spawn(folder: Path, arguments: list[str], given: bytes = b"") -> int:
    """Start `python -m cockpit.conductor` in a session of its own, its words in `conductor.log`. Returns its pid. `given` is
    what it reads on its standard input: what neither its words nor its environment should hold."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = os.open(folder / "conductor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            # -P: what lies in the folder of whoever called us is none of ours.
            [sys.executable, "-P", "-m", "cockpit.conductor", *arguments],
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(log)
    if process.stdin is not None:
        # One that ended at once reads nothing; why is in its log.
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(given)
    return process.pid


def said(folder: Path) -> str:
    """The last words of a conductor that did not come up, as one sentence."""
    try:
        lines = (folder / "conductor.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "the conductor ended without a word"
