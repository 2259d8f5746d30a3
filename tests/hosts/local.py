"""Agents that run on this machine as processes, behind the two methods of a pool that tails use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cockpit.hosts.pool import Unreachable

SHELLS = ("python", "dash", "bash", "busybox")


class Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin = process.stdin
        self.stdout = process.stdout


class LocalPool:
    """A pool whose only host is this machine: `kind` says what it has. `drop` ends every process, as a lost link does."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._bin = folder / f"bin-{kind}"
        self._bin.mkdir()
        self._home = folder
        self.running: set[asyncio.subprocess.Process] = set()
        self.down = False
        if kind == "busybox":
            os.system(f"busybox --install -s {self._bin}")
        else:
            for tool in Path("/usr/bin").iterdir():
                if not tool.name.startswith(("python", "pypy")):
                    (self._bin / tool.name).symlink_to(tool)
            (self._bin / "sh").unlink()
            (self._bin / "sh").symlink_to(shutil.which("bash" if kind == "bash" else "dash") or "/bin/sh")
            if kind == "python":
                (self._bin / "python3").symlink_to(Path(sys.executable).resolve())
        self.python = kind == "python"

    def __getitem__(self, host: str) -> LocalPool:
        return self

    @asynccontextmanager
    async def process(self, command: str, wait: float = 15.0) -> AsyncIterator[Process]:
        if self.down:
            raise Unreachable("it is down")
        if not self.python:
            command = command.replace("/usr/bin/python3", "").replace("/usr/libexec/platform-python", "")
        process = await asyncio.create_subprocess_exec(
            f"{self._bin}/sh", "-c", command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL if not os.environ.get("AGENT_STDERR") else None,
            cwd=self._home, env={"PATH": str(self._bin), "HOME": str(self._home)}, start_new_session=True,
        )  # fmt: skip
        self.running.add(process)
        try:
            yield Process(process)
        finally:
            self.running.discard(process)
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]

    def drop(self) -> None:
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
