"""A run outlives its terminal, its login and the machine's restart: detached, hung up on, killed, and resumed elsewhere in time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit import intents as it
from cockpit.conductor.client import LiveSource
from cockpit.conductor.visit import Visit, visiting
from cockpit.events import RunResumed
from cockpit.journal.folder import RunFolder, answers
from cockpit.journal.reader import records
from tests.terminal import MAIN

PLAN = """\
cutover: 1
name: A night
services:
  - id: web
    steps:
      - {id: look, phase: prepare, manual: {owner: Ann, message: Look at the site.}}
"""

ANEW = (
    "import sys; import cockpit.conductor.assembly as a; a.boot_id = lambda: 'the boot after';"
    "from cockpit.conductor.__main__ import main; sys.exit(main(sys.argv[1:]))"
)
"""A conductor on a machine that was started anew."""


class Night:
    def __init__(self, folder: Path) -> None:
        self.plan = folder / "plan.yaml"
        self.plan.write_text(PLAN)
        self.run = RunFolder(folder / "runs" / "night")
        self.env = dict(os.environ, COCKPIT_RUNS=str(folder / "runs"), XDG_RUNTIME_DIR="")
        self.left: list[int] = []

    def detach(self, *words: str) -> str:
        """`cockpit run … --detach`: what it printed. Its conductor goes on."""
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "run", *words, "--detach"],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        self.left.append(self.conductor)
        return done.stdout

    @property
    def conductor(self) -> int:
        return int((self.run.path / "lock").read_text())

    def die(self) -> None:
        """SIGKILL, as a power cut does it."""
        pid = self.conductor
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 10
        while answers(self.run.socket) and time.monotonic() < until:
            time.sleep(0.02)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    made = Night(tmp_path)
    yield made
    for pid in made.left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def drive(run: RunFolder, *asked: it.AnyIntent, until: str) -> None:
    """A screen's worth of driving, until the step is in a state."""
    visit = Visit(LiveSource(run.socket, "ann", run.token(), wait=5.0))
    following = asyncio.create_task(visit.follow())
    try:
        assert await visit.until(lambda state: state.driver == "ann", 10.0), visit.over
        for intent in asked:
            assert await visit.ask(intent) == ""
        assert await visit.until(lambda state: state.step("web/look").state == until, 10.0)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def state_of(run: RunFolder) -> tuple[str, str]:
    async with visiting(run.socket, "eve") as visit:
        return visit.state.driver, visit.state.step("web/look").state


def test_a_detached_run_is_left_alone_by_its_terminal_and_resumed_after_the_machine_was_started_anew(
    night: Night,
) -> None:
    said = night.detach(str(night.plan), "--run-folder", str(night.run.path))
    assert "cockpit attach night" in said
    pid = night.conductor
    assert os.getsid(pid) == pid != os.getsid(0), "it is in a session of its own"
    os.kill(pid, signal.SIGHUP)
    asyncio.run(drive(night.run, it.RunNext(service="web"), until="waiting"))
    assert night.conductor == pid

    # The power fails. When the machine is up again, its sockets are gone, and the pid in the lock is another program's.
    night.die()
    night.run.socket.unlink(missing_ok=True)
    (night.run.path / "lock").write_text(f"{os.getpid()}\n")
    conductor = subprocess.Popen(
        [sys.executable, "-c", ANEW, "--folder", str(night.run.path), "--plan", str(night.plan)],
        env=night.env, start_new_session=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    night.left.append(conductor.pid)
    until = time.monotonic() + 30
    while not answers(night.run.socket) and time.monotonic() < until:
        time.sleep(0.05)
    assert night.conductor == conductor.pid
    driver, seen = asyncio.run(state_of(night.run))
    assert driver == "", "nobody drives until somebody attaches"
    assert seen in {"waiting", "unknown", "blocked"}
    [resumed] = [record.event for record in records(night.run.journal) if isinstance(record.event, RunResumed)]
    assert (resumed.rebooted, resumed.boot) == (True, "the boot after")
    conductor.kill()
    conductor.wait()

    # And once more by the command, over the stale socket of the one that was killed.
    assert night.run.socket.exists()
    said = night.detach("--resume", str(night.run.path))
    assert "waits for a driver" in said
    asyncio.run(drive(night.run, it.AddNote(text="on again"), until=asyncio.run(state_of(night.run))[1]))


def test_a_run_that_is_conducted_is_not_conducted_twice(night: Night) -> None:
    night.detach(str(night.plan), "--run-folder", str(night.run.path))
    again = subprocess.run(
        [sys.executable, "-c", MAIN, "run", "--resume", str(night.run.path), "--detach"],
        env=night.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert again.returncode == 4
    assert f"process {night.conductor} conducts night" in again.stderr


def test_a_conductor_that_cannot_begin_is_told_of(night: Night) -> None:
    night.plan.write_text(PLAN.replace("Ann", "Bob"))
    other = night.plan.with_name("other.yaml")
    other.write_text(PLAN)
    night.detach(str(other), "--run-folder", str(night.run.path))
    night.die()
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "run", str(night.plan), "--resume", str(night.run.path), "--detach"],
        env=night.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "was started with another version" in done.stderr
