"""The command line: exit statuses, sentences instead of tracebacks, whatever it is given."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.cli.main import COMMANDS, main
from cockpit.cli.run import _detached
from cockpit.clock import SystemClock
from cockpit.conductor.lock import hold
from cockpit.events import LogSeen, RunEnded, RunResumed, RunStarted
from cockpit.journal.folder import RunFolder, find, list_runs
from cockpit.journal.writer import JournalWriter
from cockpit.plan.model import Plan
from cockpit.plan.recipes import library
from cockpit.plan.starter import STARTER
from tests.conductor.seats import conducted
from tests.terminal import MAIN


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runs"
    monkeypatch.setenv("COCKPIT_RUNS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def recorded(runs: Path, recording: Path) -> Path:
    """The recorded demo as the only run there is."""
    folder = runs / "20261121-071100-demo-karl-ab12"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(recording.read_bytes())
    return folder


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"    {command}" in said for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: cockpit {command}")


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "missing.yaml"],
        ["run", "."],
        ["run", "--resume"],
        ["run", "--resume", "nothing"],
        ["attach"],
        ["demo"],
        ["watch", "nothing"],
        ["replay", "nothing"],
        ["runs", "--verify", "nothing"],
        ["check", "missing.yaml"],
        ["show", "missing.yaml"],
        ["recipes", "nothing"],
        ["init", "/proc/plan.yaml"],
        ["init", "--example", "nothing"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_a_sentence_and_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert "fault of ours" not in said.err
    assert said.err.strip() or said.out.strip()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    assert main(["run", "plan.yaml", "--run-folder", "plan.yaml/here"]) == 2
    assert capsys.readouterr().err == "cockpit: plan.yaml/here: Not a directory\n"


def test_check_has_a_status_for_clean_findings_and_unusable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(STARTER)
    assert main(["check", "plan.yaml"]) == 0
    plan.write_text(STARTER.replace("cutover: 1", "cutover: 1\ncolour: red"))
    assert main(["check", "plan.yaml"]) == 1
    plan.write_text("a: [")
    assert main(["check", "plan.yaml"]) == 2
    capsys.readouterr()
    assert main(["check", "--json", "plan.yaml"]) == 2
    [finding] = json.loads(capsys.readouterr().out)
    assert {"file", "line", "column", "severity", "code", "message"} <= set(finding)


def test_recipes_are_listed_and_printed_and_those_beside_a_plan_come_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes"]) == 0
    assert all(name in capsys.readouterr().out or name for name in library())
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/mail-hold.sh").write_text("# recipe: our own\nverify() { :; }\n")
    (tmp_path / "plan.yaml").write_text(STARTER)
    assert main(["recipes", "--plan", "plan.yaml"]) == 0
    assert "our own" in capsys.readouterr().out
    assert main(["recipes", "mail-hold"]) == 0


def test_runs_are_listed_verified_and_found_by_either_end(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(recorded.name)
    assert "6 of 6 services are cut over" in line
    for name in ("last", recorded.name, "20261121", "ab12", str(recorded), str(recorded / "journal.jsonl")):
        assert main(["runs", "--verify", name]) == 0
        assert "events whole; head" in capsys.readouterr().out


def test_a_socket_that_nobody_answers_on_is_no_live_run(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = recorded / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:300]))
    left, path = socket.socket(socket.AF_UNIX), RunFolder(recorded).keep_socket()
    path.unlink(missing_ok=True)
    left.bind(str(path))
    left.close()
    assert main(["runs"]) == 0
    assert "not ended" in capsys.readouterr().out
    path.unlink()


def test_a_torn_journal_is_replayed_and_a_damaged_one_is_named(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = recorded / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-100])
    assert main(["replay", "--headless"]) == 0
    assert main(["runs", "--verify", "last"]) == 0
    assert "torn tail" in capsys.readouterr().out
    middle = whole.index(b"\n", len(whole) // 2) + 40
    journal.write_bytes(whole[:middle] + b"#" + whole[middle + 1 :])
    for words in (["replay", "--headless"], ["runs", "--verify", "last"]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert f"{journal}:{whole.count(bytes([10]), 0, middle) + 1}:" in said
    assert main(["run", "--resume", "--headless"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_no_journal_is_listed_as_that(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in (("garbage", b"\x00\xff" * 5000), ("empty", b""), ("text", b"hello\nworld\n")):
        (runs / name).mkdir(parents=True)
        (runs / name / "journal.jsonl").write_bytes(data)
    (runs / "a file").touch()
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.count("its journal cannot be read") == 3


def test_runs_of_one_name_in_two_folders_have_sockets_of_their_own(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / place / "night") for place in ("a", "b")]
    for folder in folders:
        folder.path.mkdir(parents=True)
    assert folders[0].socket != folders[1].socket
    assert len(os.fsencode(folders[0].socket)) < 100


def test_a_screen_with_another_environment_finds_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    kept = run.keep_socket()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run.socket == kept


def test_a_replay_to_an_event_tells_what_was_so_then(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--headless", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert main(["replay", "--headless", "--json", "--at", "700"]) == 0
    then = json.loads(capsys.readouterr().out)
    assert whole["head"] != then["head"]
    assert not then["services"]["commons"]["complete"]
    assert whole["services"]["commons"]["complete"]


def test_a_run_is_not_resumed_with_another_plan(
    recorded: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    before = (recorded / "journal.jsonl").read_bytes()
    assert main(["run", "plan.yaml", "--resume", "last", "--headless"]) == 2
    assert "was started with another version" in capfd.readouterr().err
    assert (recorded / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "extra", [{"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}]
)
def test_odd_environments_print_the_runbook(extra: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    env = dict(os.environ, **extra)
    ran = subprocess.run(
        [sys.executable, "-c", MAIN, "show", "plan.yaml"], capture_output=True, env=env, cwd=tmp_path, check=False
    )
    assert (ran.returncode, b"Traceback" in ran.stderr) == (0, False), ran.stderr
    assert len(ran.stdout) > 1000


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    words = f"{sys.executable} -c '{MAIN}' schema | head -c 10"
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.stderr == ""


def test_a_folder_with_a_run_in_it_is_not_begun_anew(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    before = (recorded / "journal.jsonl").read_bytes()
    assert main(["run", "plan.yaml", "--run-folder", str(recorded), "--headless"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (recorded / "journal.jsonl").read_bytes() == before


def test_a_run_that_somebody_conducts_is_not_conducted_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    with hold(tmp_path / "night"):
        assert main(["run", "plan.yaml", "--run-folder", "night", "--headless"]) == 4
    said = capsys.readouterr().err
    assert f"process {os.getpid()} conducts night; look at it with `cockpit attach {tmp_path / 'night'}`" in said


def test_what_a_command_calls_a_run_finds_it(runs: Path, recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path / "a folder" / "ab12")
    for folder in (RunFolder(recorded), RunFolder(tmp_path / "a folder" / "ab12")):
        [word] = shlex.split(folder.called)
        assert find(word).path == folder.path
    assert RunFolder(recorded).called == "ab12"
    shutil.copytree(recorded, runs / "ab12-another")
    assert RunFolder(recorded).called == recorded.name


async def test_a_detached_run_in_a_folder_of_its_own_is_told_by_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with conducted(tmp_path, socket=RunFolder(tmp_path).keep_socket()):
        assert _detached(RunFolder(tmp_path), os.getpid(), headless=False) == 0
    said = capsys.readouterr().out
    for command in ("attach", "watch", "run --resume"):
        assert f"  cockpit {command} {tmp_path}" in said


def test_a_dead_run_is_not_waited_for(
    recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.cli.live.can_show", lambda: True)
    for command in ("attach", "watch"):
        assert main([command]) == 2
        assert "no run is live" in capsys.readouterr().err
        assert main([command, recorded.name]) == 2
        said = capsys.readouterr().err
        assert f"nobody conducts {recorded.name}" in said
        assert "cockpit run --resume" in said


def test_a_copied_run_folder_does_not_lead_to_the_socket_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    kept = RunFolder(tmp_path / "night").keep_socket()
    shutil.copytree(tmp_path / "night", tmp_path / "copy")
    assert RunFolder(tmp_path / "copy").socket != kept


def test_an_empty_journal_is_no_replay(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "empty").mkdir(parents=True)
    (runs / "empty/journal.jsonl").touch()
    assert main(["replay", "empty"]) == 2
    assert "holds no event" in capsys.readouterr().err


def test_a_tag_that_no_service_has_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yaml").write_text(STARTER)
    assert main(["show", "plan.yaml", "--tag", "nope"]) == 2
    assert "no service with the tag nope" in capsys.readouterr().err


def test_a_socket_has_a_short_path_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert len(os.fsencode(RunFolder(tmp_path / "night").socket)) < 100


async def test_a_run_has_ended_though_a_probe_saw_something_after_it(runs: Path) -> None:
    file = runs / "night" / "journal.jsonl"
    file.parent.mkdir(parents=True)
    async with JournalWriter(file, SystemClock()) as journal:
        await journal.write(RunStarted(run="night", plan=Plan(name="p", hash="")), "a")
        await journal.write(RunEnded(verdict="1 of 1 services are cut over"), "a")
        await journal.write(LogSeen(host="old", file="log", lines=('"run.resumed"',)), "probe")
        assert [row.verdict for row in list_runs()] == ["1 of 1 services are cut over"]
        await journal.write(RunResumed(pid=1, after=3), "a")
        assert [row.verdict for row in list_runs()] == [""]


@pytest.mark.parametrize("words", [["help"], ["--help"]])
def test_help_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(re.search(rf"^ +{name}\b", said, re.M) for name in COMMANDS)


def test_help_of_a_command_is_that_command_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["help", "access"])
    assert "usage: cockpit access" in capsys.readouterr().out
