"""A program of one of the lab's hosts, as one of its servers: it leaves its pid in a file, or its supervisor does."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from pathlib import Path

from cockpit.lab.addresses import LabError
from cockpit.lab.host import LabHost
from cockpit.lab.tools.supervise import PATIENCE as GRACE
from cockpit.lab.tools.supervise import begin, end, running

PATIENCE = 30.0
"""Seconds that it may take to come up on a busy machine."""


class Program:
    """Started with the lab, in `folder`; meanwhile recipes may stop and start it as they like. `env` is beside the host's own."""

    def __init__(
        self, name: str, host: LabHost, lab: str, words: tuple[str, ...], folder: Path, pid: Path, **env: str
    ) -> None:
        self.name = f"{name} on {host.id}"
        self._words = words
        self._folder = folder
        self._pid = pid
        self._said = host.home / "logs" / f"{name}.out"
        self._env = {**host.env(lab), **env}
        self._child: subprocess.Popen[bytes] | None = None
        """What we started last; a recipe may have started another since."""

    async def start(self) -> None:
        """Start it, and wait for its pid. Raises LabError with its last words when it ends before."""
        await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """End it, gently, and by force when it has not gone within GRACE: what is started next finds its place free."""
        await asyncio.to_thread(self._stop)

    def running(self) -> int:
        """Its process, 0 when there is none."""
        return running(self._pid)

    def _stop(self) -> None:
        end(self._pid, GRACE)
        if self._child is not None:
            # A process of ours that has ended is there until it is asked for; its pid may have gone before it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(GRACE)
            self._child.kill()
            self._child.wait()

    def _start(self) -> None:
        if self.running():
            return
        self._pid.unlink(missing_ok=True)
        self._child = begin(self._words, self._folder, self._said, self._env)
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            over = self._child.poll() is not None
            if self.running():
                return
            if over:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(0.05)
        last = self._said.read_text(errors="replace").strip().splitlines()[-1:]
        raise LabError(f"{self.name} did not start: {' '.join(last)}")
