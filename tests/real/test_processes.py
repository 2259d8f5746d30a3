"""Two processes: what each has loaded, what each has open, and what becomes of a run when its screen dies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cockpit.events import Record, StepIntended, StepMoved, StepProgress, SyncPassed, WheelLost, WheelTaken
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from cockpit.lab.control import send
from cockpit.lab.faults import Order
from tests.terminal import MAIN, Terminal

SCREEN = ("textual",)
NETWORK = ("asyncssh", "dns", "httpx", "aiosmtpd", "cryptography")


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `code`."""
    words = [
        sys.executable,
        "-c",
        f"{code}\nimport sys, json; print(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})))",
    ]
    return set(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))


def test_the_conductor_loads_no_screen() -> None:
    found = loaded(
        "import cockpit.conductor.__main__, cockpit.conductor.assembly, cockpit.conductor.lab, cockpit.conductor.lock,"
        "cockpit.conductor.summary, cockpit.plan.load"
    )
    assert found.isdisjoint(SCREEN)
    assert {"asyncssh", "dns", "httpx"} <= found


def test_the_cockpit_loads_no_network_library() -> None:
    found = loaded(
        "import cockpit.cli.attach, cockpit.cli.run, cockpit.cli.live, cockpit.conductor.client, cockpit.conductor.launch,"
        "cockpit.ui.app, cockpit.ui.deeds, cockpit.replay.player"
    )
    assert found.isdisjoint(NETWORK)
    assert "textual" in found


def until(holds: Callable[[], bool], what: str, seconds: float = 40.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"waited in vain for: {what}"
        time.sleep(0.05)


@contextmanager
def lab(folder: Path) -> Iterator[Path]:
    words = [sys.executable, "-m", "cockpit.lab", "--folder", str(folder), "--clients", "osf", "--until-stdin-closes"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield Path(json.loads(process.stdout.readline())["plan"])
        process.stdin.close()


class Night:
    """A run with a screen on a pseudo-terminal."""

    def __init__(self, folder: Path, plan: Path) -> None:
        self.env = dict(os.environ, COCKPIT_RUNS=str(folder), PYTHONPROFILEIMPORTTIME="")
        self.env.pop("PYTHONPROFILEIMPORTTIME")
        self.run = RunFolder(folder / "night")
        self.screen = Terminal.cockpit("run", str(plan), "--run-folder", str(self.run.path), env=self.env)

    def journal(self) -> list[Record]:
        return list(records(self.run.journal)) if self.run.journal.exists() else []

    def states(self) -> dict[str, str]:
        return {
            record.event.ref: record.event.state for record in self.journal() if isinstance(record.event, StepMoved)
        }

    def conductor(self) -> int:
        return int((self.run.path / "lock").read_text())

    def close(self) -> None:
        self.screen.close()
        with suppress(OSError, ValueError):
            os.kill(self.conductor(), 15)


@contextmanager
def night(folder: Path, plan: Path) -> Iterator[Night]:
    found = Night(folder, plan)
    try:
        yield found
    finally:
        found.close()


def big_final_sync(lab_folder: Path) -> int:
    """Something for the final sync to bring, over a link that makes it last. Returns its size in bytes."""
    size = 3_000_000
    (lab_folder / "old/srv/osf/attachments/late.bin").write_bytes(os.urandom(size))
    send(lab_folder, Order(fault="slow-copy", host="new", value=700_000))
    return size


def test_a_screen_killed_in_the_middle_of_a_final_sync_takes_nothing_with_it(tmp_path: Path) -> None:
    with lab(tmp_path / "lab") as plan, night(tmp_path, plan) as it:
        it.screen.expect("Open Society Forum")
        it.screen.expect("writer")
        for step in ("test-site", "presync", "maintenance-on", "hold-mail", "redirect-mail", "bridge"):
            until(lambda: it.screen.read(0.1) is not None and it.run.journal.exists(), "the journal")
            it.screen.press("n")
            until(lambda step=step: it.screen.read(0.05) is not None and it.states().get(f"osf/{step}") == "done", step)  # type: ignore[misc]
        size = big_final_sync(plan.parent)
        it.screen.read(0.3)
        it.screen.press("b")
        until(lambda: it.screen.read(0.05) is not None and _under_way(it.journal()), "the copy to be under way")
        it.screen.kill()

        until(lambda: it.states().get("osf/final-sync") == "done", "the copy to end as it would have")
        time.sleep(2)
        found = it.journal()
        lost = next(record.seq for record in found if isinstance(record.event, WheelLost))
        moved = [
            record
            for record in found
            if isinstance(record.event, StepProgress) and record.event.ref == "osf/final-sync"
        ]
        assert any(record.seq > lost for record in moved), "it was not in the middle of the copy"
        assert not [record for record in found if record.seq > lost and isinstance(record.event, StepIntended)]
        assert "osf/promote" not in it.states()
        told = sum(
            record.event.bytes
            for record in found
            if isinstance(record.event, SyncPassed) and record.event.ref == "osf/final-sync"
        )
        assert told >= size
        copy = plan.parent / "new/srv/osf/attachments/late.bin"
        assert copy.read_bytes() == (plan.parent / "old/srv/osf/attachments/late.bin").read_bytes()

        send(plan.parent, Order(fault="restore"))
        second = Terminal.cockpit("attach", str(it.run.path), env=it.env)
        try:
            second.expect("ready: ")
            took = second.expect("promote")
            print(f"attached after {took:.2f} s")
            until(
                lambda: second.read(0.05) is not None and _drivers(it.journal()) == 2,
                "the new screen to have the wheel",
            )
            second.press("n")
            until(lambda: second.read(0.05) is not None and it.states().get("osf/promote") == "done", "promote")
        finally:
            second.close()


def _under_way(found: list[Record]) -> bool:
    return any(
        isinstance(record.event, StepProgress)
        and record.event.ref == "osf/final-sync"
        and 0 < record.event.fraction < 0.7
        for record in found
    )


def _drivers(found: list[Record]) -> int:
    return sum(isinstance(record.event, WheelTaken) for record in found)


def test_the_screen_has_no_connection_but_the_socket(tmp_path: Path) -> None:
    if shutil.which("lsof") is None:
        pytest.skip("needs apt-get install -y lsof")
    with lab(tmp_path / "lab") as plan, night(tmp_path, plan) as it:
        it.screen.expect("Open Society Forum")
        until(lambda: it.screen.read(0.05) is not None and _drivers(it.journal()) == 1, "the wheel")
        pid = it.screen.process.pid
        internet = subprocess.run(
            ["lsof", "-nP", "-a", "-p", str(pid), "-i"], capture_output=True, text=True, check=False
        ).stdout
        assert internet == ""
        sockets = subprocess.run(
            ["lsof", "-nP", "-a", "-p", str(pid), "-U", "-F", "n"], capture_output=True, text=True, check=True
        ).stdout
        ends = [line for line in sockets.splitlines() if line.startswith("n")]
        # asyncio's own wake-up pair is two more, connected to each other and to nobody else.
        assert len(ends) <= 3, ends
        theirs = subprocess.run(
            ["lsof", "-nP", "-a", "-p", str(it.conductor()), "-i"], capture_output=True, text=True, check=False
        ).stdout
        assert "->127." in theirs
        # A socket of DNS questions is connected to nobody: it asks many.
        asking = [line for line in theirs.splitlines()[1:] if " UDP *:" in line]
        assert all("127." in line for line in theirs.splitlines()[1:] if line not in asking)
        assert not any("->" in line for line in asking)


def test_leaving_the_screen_restores_the_terminal_and_the_run_goes_on(tmp_path: Path) -> None:
    with lab(tmp_path / "lab") as plan, night(tmp_path, plan) as it:
        it.screen.expect("Open Society Forum")
        until(lambda: it.screen.read(0.05) is not None and _drivers(it.journal()) == 1, "the wheel")
        assert it.screen.modes() != it.screen.attributes
        it.screen.press("q", "The run goes on without a screen")
        assert it.screen.process.wait(10) == 0
        assert it.screen.modes() == it.screen.attributes
        assert b"\x1b[?1049l" in it.screen.seen
        os.kill(it.conductor(), 0)
        watching = Terminal.cockpit("watch", str(it.run.path), env=it.env)
        try:
            watching.expect("READ-ONLY")
            watching.press("n", "this screen only watches")
        finally:
            watching.close()


def test_a_conductor_that_cannot_begin_says_why(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("cutover: 1\nname: x\nservices: 3\n")
    ran = subprocess.run([sys.executable, "-c", MAIN, "run", str(plan)], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert f"{plan}:3:" in ran.stderr
    assert "Traceback" not in ran.stderr
