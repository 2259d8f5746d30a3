"""A program of one of the lab's hosts, as one of its servers: a script that is started and that leaves its pid in a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from cockpit.lab.addresses import LabError
from cockpit.lab.host import LabHost

PATIENCE = 30.0
GRACE = 10.0
"""Seconds that it may take to say goodbye."""


class Program:
    """Started with the lab, in the folder in which its run/ is; meanwhile recipes may stop and start it as they like."""

    def __init__(self, name: str, host: LabHost, lab: str, words: tuple[str, ...], pid: Path, **env: str) -> None:
        self.name = f"{name} on {host.id}"
        self._out = host.home / "logs" / f"{name}.out"
        self._host = host
        self._lab = lab
        self._words = words
        self._pid = pid
        self._env = env
        self._child: subprocess.Popen[bytes] | None = None
        """What we started last; a recipe may have started another since."""

    async def start(self) -> None:
        """Start it, and wait for its pid. Raises LabError with its last words when it ends before."""
        await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """End it, gently, and by force when it has not gone within GRACE: what is started next finds its place free."""
        await asyncio.to_thread(self._stop)

    def _start(self) -> None:
        if self.running():
            return
        self._pid.unlink(missing_ok=True)
        with self._out.open("ab") as said:
            self._child = started = subprocess.Popen(
                self._words,
                cwd=self._pid.parent.parent,
                env={**self._host.env(self._lab), **self._env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        for _ in range(int(PATIENCE / 0.05)):
            if self._pid.exists() and self.running():
                return
            if started.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(0.05)
        last = self._out.read_text(errors="replace").strip().splitlines()[-1:]
        raise LabError(f"{self.name} did not start: {' '.join(last)}")

    def _stop(self) -> None:
        for how, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, PATIENCE)):
            ends = time.monotonic() + seconds
            with contextlib.suppress(ProcessLookupError):
                if running := self.running():
                    os.kill(running, how)
            while self.running() and time.monotonic() < ends:
                time.sleep(0.05)

    def running(self) -> int:
        """Its process, 0 when there is none."""
        if self._child is not None:
            self._child.poll()  # A process of ours that has ended is there until it is asked for.
        try:
            number = int(self._pid.read_text())
            os.kill(number, 0)
        except (OSError, ValueError):
            return 0
        return number
