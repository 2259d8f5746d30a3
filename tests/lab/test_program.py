"""A program of a lab's host is down when it is said to be, and up when it is started again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cockpit.lab import program
from cockpit.lab.host import LabHost
from cockpit.lab.program import Program

SLOW = """
import os, pathlib, signal, sys, time
def end(*_):
    time.sleep(float(sys.argv[2]))
    raise SystemExit
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""


def made(folder: Path, goodbye: str) -> tuple[Program, Path]:
    host = LabHost("old", "xen", "127.0.0.1", folder / "old", "site.test", "admin")
    host.build()
    pid = host.home / "game/run/pid"
    pid.parent.mkdir(parents=True)
    return Program("game", host, "lab", (sys.executable, "-c", SLOW, str(pid), goodbye), pid.parent, pid), pid


@pytest.mark.parametrize("goodbye", ["1", "60"])
async def test_a_program_that_is_slow_to_go_is_another_one_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goodbye: str
) -> None:
    monkeypatch.setattr(program, "GRACE", 3.0)
    game, pid = made(tmp_path, goodbye)
    await game.start()
    first = game.running()
    await game.stop()
    assert not game.running()
    await game.start()
    try:
        assert game.running() not in {0, first}
        assert not Path(f"/proc/{first}").exists()
    finally:
        monkeypatch.setattr(program, "GRACE", 0.0)
        await game.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
