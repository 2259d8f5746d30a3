"""A run on a terminal that needs a password: asked in a dialog, seen nowhere, and nothing begins without it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec

from cockpit.events import AskGivenUp, HostSeen, Record
from cockpit.journal.folder import RunFolder
from cockpit.journal.needles import needles
from cockpit.plan.load import load_plan
from tests.real.test_processes import lab, night, until
from tests.terminal import Terminal

VALUE = "correct-horse-battery"


def plan(of_lab: Path) -> Path:
    """A plan on the lab's new host whose one step stores what was typed."""
    hosts = {id: msgspec.to_builtins(host) for id, host in load_plan(of_lab).hosts.items() if id == "new"}
    del hosts["new"]["id"]
    run = {
        "probe": "test -e stored",
        "apply": "echo $vault; printf %s $vault >stored",
        "verify": "test -e stored",
        "undo": "rm stored",
    }
    step = {"id": "store", "phase": "copy", "on": "new", "secrets": ["vault"], "run": run}
    text = {
        "cutover": 1, "name": "night", "hosts": hosts, "secrets": {"vault": {"ask": "Password of the vault"}},
        "services": [{"id": "osf", "steps": [step]}],
    }  # fmt: skip
    file = of_lab.parent / "night.yaml"
    file.write_text(json.dumps(text))
    return file


def linked(found: list[Record]) -> bool:
    return any(isinstance(record.event, HostSeen) and record.event.link == "up" for record in found)


def test_what_is_typed_into_the_dialog_reaches_the_host_and_nothing_else(tmp_path: Path) -> None:
    with lab(tmp_path / "lab") as of_lab, night(tmp_path, plan(of_lab)) as it:
        seen = b""
        it.screen.expect("Password of the vault")
        seen += it.screen.seen
        it.screen.press(VALUE)
        seen += it.screen.read(0.5)
        it.screen.press("\r")
        until(lambda: it.screen.read(0.1) is not None and linked(it.journal()), "the link to the host")
        seen += it.screen.seen
        it.screen.press("n")
        until(lambda: it.screen.read(0.1) is not None and it.states().get("osf/store") == "done", "the step")
        seen += it.screen.read(0.3)
        assert (of_lab.parent / "new/stored").read_text() == VALUE
        conductor = Path(f"/proc/{it.conductor()}")
        assert b"\xe2\x80\xa2" * 4 in seen, "what is typed shows as dots"
        shown = [seen, (conductor / "cmdline").read_bytes(), (conductor / "environ").read_bytes()]
        shown += [path.read_bytes() for path in it.run.path.rglob("*") if path.is_file()]
        assert not [form for form in needles(VALUE) for text in shown if form in text]
        assert "Max core file size        0                    0" in (conductor / "limits").read_text()


def test_a_person_who_will_not_answer_is_told_that_nothing_has_begun(tmp_path: Path) -> None:
    with lab(tmp_path / "lab") as of_lab, night(tmp_path, plan(of_lab)) as it:
        it.screen.expect("Password of the vault")
        it.screen.press("\t\t\r", "the conductor has closed the run")
        until(lambda: any(isinstance(record.event, AskGivenUp) for record in it.journal()), "the refusal")
        it.screen.press("q", "the conductor has ended: cockpit: vault: ")
        it.screen.process.wait()
        assert it.screen.process.returncode == 2


def test_a_secret_that_cannot_be_had_makes_no_run(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "cutover: 1\nname: n\nsecrets: {a: {command: 'echo locked >&2; exit 2'}, b: {env: NOWHERE_SET}}\n"
        "hosts: {new: {ssh: a@new}}\nservices: [{id: osf, steps: [{id: x, phase: copy, on: new, secrets: [a, b],"
        " run: {apply: 'true', verify: 'true', undo: 'true'}}]}]\n"
    )
    terminal = Terminal.cockpit("run", str(file), env=dict(os.environ, COCKPIT_RUNS=str(tmp_path / "runs")))
    terminal.expect("cockpit: secret b: the environment variable NOWHERE_SET is not set")
    assert b"cockpit: secret a: `echo locked >&2; exit 2` ended with status 2: locked" in terminal.seen
    assert terminal.process.wait() == 2
    terminal.close()
    assert not (tmp_path / "runs").exists()


def test_a_headless_run_on_a_terminal_asks_there_before_anything_else(tmp_path: Path) -> None:
    with lab(tmp_path / "lab") as of_lab:
        run = RunFolder(tmp_path / "run")
        words = ("run", str(plan(of_lab)), "--run-folder", str(run.path), "--headless")
        terminal = Terminal.cockpit(*words, env=dict(os.environ))
        terminal.expect("Password of the vault: ")
        assert not run.path.exists()
        terminal.press("abc\r", "it is too short")
        terminal.press(f"{VALUE}\r", "1 of 1 services are cut over")
        assert VALUE.encode() not in terminal.seen
        assert terminal.process.wait() == 0
        assert (of_lab.parent / "new/stored").read_text() == VALUE
        assert VALUE.encode() not in run.journal.read_bytes()
        terminal.close()


def test_control_c_at_the_question_leaves_at_once_and_the_terminal_as_it_was(tmp_path: Path) -> None:
    with lab(tmp_path / "lab") as of_lab:
        terminal = Terminal.cockpit(
            "run", str(plan(of_lab)), "--headless", env=dict(os.environ, COCKPIT_RUNS=str(tmp_path / "runs"))
        )
        terminal.expect("Password of the vault: ")
        # The prompt is out a moment before the read begins; a signal between the two is seen by Python with the next one only.
        for _ in range(10):
            time.sleep(0.5)
            terminal.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.process.wait(3)
                break
        assert terminal.process.wait(1) == 130
        assert terminal.modes() == terminal.attributes
        terminal.close()
        assert not (tmp_path / "runs").exists()
