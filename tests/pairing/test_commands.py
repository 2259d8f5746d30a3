"""`cockpit pair` as people type it: a run begins in its session, a colleague joins, a note has its author, the session ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.events import Noted
from cockpit.journal.folder import list_runs
from cockpit.journal.reader import records
from tests.pairing.people import Person, needs_tmux, until

pytestmark = [needs_tmux, pytest.mark.xdist_group("pairing")]

PLAN = """\
cutover: 1
name: hand over
hosts: {}
services:
  - id: keys
    steps:
      - {id: give, phase: switch, manual: {owner: Ann, message: give them the keys}}
"""


def cockpit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cockpit", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_run_in_a_session_of_its_own_from_its_beginning_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    begun = cockpit("pair", str(plan), "--detached")
    assert begun.returncode == 0, begun.stderr
    line = begun.stderr.partition("Your colleague types:  cockpit ")[2].split()
    again = cockpit("pair", str(plan), "--detached")
    assert (again.returncode, again.stdout) == (0, ""), again.stderr
    assert "is on it already, in its session." in again.stderr
    assert again.stderr.endswith(begun.stderr.rpartition("Your colleague types:")[2])
    people: list[Person] = []
    try:
        ann = Person([sys.executable, "-m", "cockpit", "pair", str(plan)], (120, 40), COCKPIT_NAME="ann")
        bob = Person([sys.executable, "-m", "cockpit", *line], (100, 30), COCKPIT_NAME="bob")
        people += [ann, bob]
        bob.sees("hand over", 40)
        ann.sees("hand over", 40)
        ann.sees("ann 120×40")
        ann.sees("bob 100×30")
        bob.types("m")
        bob.sees("Note")
        bob.types("all quiet now\r")
        run = Path(list_runs()[0].id)
        journal = tmp_path / "runs" / run / "journal.jsonl"
        until(lambda: any(isinstance(record.event, Noted) for record in records(journal)), what="the note")
        [note] = [record for record in records(journal) if isinstance(record.event, Noted)]
        assert note.event.text == "all quiet now"  # type: ignore[union-attr]
        assert note.actor.startswith("bob (")
        assert "by the tmux binding" in note.actor
        who = cockpit("pair", "--who").stdout
        assert "ann" in who
        assert "bob" in who
        bob.types("q")
        bob.gone()
        assert cockpit("pair", "--end").returncode == 0
        ann.gone()
        ann.sees("The session has ended; the run goes on.")
        assert cockpit("pair", "--who").returncode == 2
    finally:
        for person in people:
            person.close()
        cockpit("pair", "--end")
        for pid in _conductors(tmp_path):
            os.kill(pid, 15)


@pytest.mark.parametrize("way", ["resume", "join"])
def test_a_session_that_began_without_the_plan_s_file_is_found_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    begun = cockpit("run", str(plan), "--detach")
    assert begun.returncode == 0, begun.stderr
    [run] = list_runs()
    pair = [sys.executable, "-m", "cockpit", "pair"]
    people: list[Person] = []
    try:
        if way == "resume":
            for pid in _conductors(tmp_path):
                os.kill(pid, 15)
            until(lambda: not _conductors(tmp_path), what="the conductor's end")
        people.append(Person([*pair, f"--{way}", run.id], (120, 40), COCKPIT_NAME="ann"))
        people[0].sees("ann 120×40", 40)
        people[0].sees("hand over", 40)
        people.append(Person([*pair, str(plan)], (100, 30), COCKPIT_NAME="bob"))
        people[0].sees("bob 100×30", 40)
        assert [row.id for row in list_runs()] == [run.id], "no second run of the plan has begun"
        other = tmp_path / "other.yaml"
        other.write_text(PLAN)
        people.append(Person([*pair, str(other)], (100, 30), COCKPIT_NAME="eve"))
        until(lambda: len(list_runs()) == 2, 40, "a run of another plan")
    finally:
        for person in people:
            person.close()
        for row in list_runs():
            cockpit("pair", "--end", row.id)
        for pid in _conductors(tmp_path):
            os.kill(pid, 15)


def _conductors(folder: Path) -> list[int]:
    """The processes of ours that conduct a run in that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if b"cockpit.conductor" in words and any(word.startswith(os.fsencode(folder)) for word in words):
            found.append(int(entry.name))
    return found


def test_a_session_can_be_joined_from_inside_another_tmux(tmp_path: Path) -> None:
    """The other one takes the prefix first, which is said; our session is on a socket of its own, so that nothing nests."""
    from tests.pairing.people import table

    with table(tmp_path) as there:
        outer = tmp_path / "outer"
        words = ["tmux", "-u", "-S", str(outer), "-f", "/dev/null", "new-session", "-x", "100", "-y", "30"]
        inside = [sys.executable, "-m", "cockpit", "pair", "--join", str(there.place.socket)]
        person = Person([*words, *inside], (100, 30), COCKPIT_NAME="ned")
        try:
            person.sees("ready: copy", 30)
            until(lambda: [seen["name"] for seen in there.present()] == ["ned"], what="ned is seen")
            person.types("p")
            until(lambda: bool(there.sent()), what="the key")
            assert there.sent()[0]["by"] == "ned"
            person.types("\x02\x02d")  # The outer one passes the prefix on.
            person.gone()
            assert there.server.answers()
        finally:
            person.close()
            subprocess.run(["tmux", "-S", str(outer), "kill-server"], capture_output=True, check=False)


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path))
    nothing = cockpit("pair")
    assert nothing.returncode == 2
    assert "name the plan's file" in nothing.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    without = cockpit("pair", "--who")
    assert without.returncode == 2
    assert "tmux is not installed" in without.stderr
    assert "apt-get install tmux" in without.stderr
