"""What another account has written reaches the terminal as text: none of it acts there."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from cockpit.cli import access, confirm
from cockpit.cli.main import main
from cockpit.events import AccessGiven, DoorChanged, RunStarted, ScreenKept, SecondAsked
from cockpit.journal.screens import ScreenFiles
from cockpit.picture.ink import Picture
from cockpit.picture.svg import svg
from cockpit.reduce import fold
from tests.conductor.seats import TOKEN, Run, conducted
from tests.engine.world import small_plan
from tests.journal.test_pack import made
from tests.report.making import told, written

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def harmless(said: str) -> bool:
    return not any(sign in said for sign in EVIL if not sign.isascii() or not sign.isprintable())


def words(**given: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"gate": "pilot-good", "wait": 5.0, "refuse": "no", "give": None, "take": None, **given}
    )


class Foreign:
    """A visit at the conductor of another account, which says what it likes."""

    over = ""

    def __init__(self) -> None:
        plan = small_plan()
        gate = replace(plan.gates[0], second=True, question=f"Good?{EVIL}", target=f"pilot{EVIL}")
        asked = SecondAsked(
            gate=gate.id, by=f"eve{EVIL}", plan=EVIL, evidence=(f"all{EVIL}",), digest=EVIL, until=9e9
        )  # fmt: skip
        began = RunStarted(run=f"night{EVIL}", plan=replace(plan, name=f"a{EVIL}", gates=(gate,)))
        self.state = fold(told([began, asked]))
        self.state.gates[f"other{EVIL}"] = self.state.gates[gate.id]

    async def until(self, holds: object, seconds: float) -> bool:
        return not self.over

    async def ask(self, intent: object) -> str:
        return f"it is refused{EVIL}"

    @asynccontextmanager
    async def visiting(self, path: Path, name: str, token: str = "") -> AsyncIterator[Foreign]:
        yield self


def test_what_is_wrong_with_a_pack_is_told_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = written(tmp_path / "journal.jsonl", told([RunStarted(run="night", plan=small_plan())])).read_bytes()
    for note, says in (
        ({"pack": 2, "version": EVIL}, "newer program"),
        ({"head": EVIL * 1000}, "says event 0 and head"),
    ):
        file = made(tmp_path / "a.cockpit", ("journal.jsonl", journal), note=note)
        main(["report", str(file), "--out", str(tmp_path / "r.md")])
        said = capsys.readouterr()
        assert says in said.err
        assert harmless(said.err + said.out)
        assert len(said.err) < 3000


def foreign_screen(folder: Path, svg: str) -> None:
    """A run of somebody else's making, with a screen whose hashes fit."""
    kept = ScreenFiles(folder).write("x", svg, f"one{EVIL}\ntwo\n")
    event = ScreenKept(
        why="confirmed", of=f"open-gate{EVIL}", by=f"eve{EVIL}", shown=1, page="board", width=1, height=1, version="",
        file=kept.file, bytes=kept.bytes, svg=kept.svg, text=kept.text,
    )  # fmt: skip
    written(folder / "journal.jsonl", told([RunStarted(run="night", plan=small_plan()), event]))


def test_a_kept_screen_of_somebody_else_is_listed_and_printed_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign_screen(tmp_path, svg(Picture(1, 1, ((("x", ""),),)), "x"))
    assert main(["replay", str(tmp_path), "--screen"]) == 0
    assert main(["replay", str(tmp_path), "--screen", "2"]) == 0
    said = capsys.readouterr().out
    assert "open-gate" in said
    assert "one·]0;owned·" in said
    assert "\ntwo\n" in said
    assert harmless(said)


@pytest.mark.parametrize("inside", ["<script>alert(1)</script>", "<text>" * 3000 + "x" + "</text>" * 3000])
def test_a_kept_picture_that_is_not_ours_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: str
) -> None:
    foreign_screen(tmp_path, f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>')
    assert main(["replay", str(tmp_path), "--screen", "2", "--export", "svg", str(tmp_path / "x.svg")]) == 2
    assert "is no picture of ours" in capsys.readouterr().err
    assert not (tmp_path / "x.svg").exists()
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "r.html")]) == 0


async def test_the_question_and_the_refusal_of_another_account_s_conductor_are_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    visit = Foreign()
    monkeypatch.setattr("cockpit.conductor.visit.visiting", visit.visiting)
    assert await confirm._visit(Path("door"), words()) == 1
    question = capsys.readouterr()
    assert "Good?" in question.out
    assert "To confirm, type pilot" in question.out
    assert question.out.count("\n") == 7
    assert question.err.startswith("cockpit: it is refused")
    assert await confirm._visit(Path("door"), words(gate="x")) == 2
    gates = capsys.readouterr().err
    assert "it has pilot-good, other" in gates
    visit.over = f"it has gone{EVIL}"
    assert await confirm._visit(Path("door"), words()) == 3
    gone = capsys.readouterr().err
    assert "it has gone" in gone
    assert all(harmless(said) for said in (question.out, question.err, gates, gone))


async def test_the_list_of_who_has_access_is_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def before(run: Run) -> None:
        await run.ledger.write(AccessGiven(account=f"bob{EVIL}", uid=4242, may="watch", by=f"eve{EVIL}"), "eve")
        await run.ledger.write(DoorChanged(path=f"/nowhere/{EVIL}", how=f"by{EVIL}"), "conductor")

    async with conducted(tmp_path, before=before) as run:
        assert await access._visit(run.socket, TOKEN, words()) == 0
    said = capsys.readouterr().out
    assert "given by eve" in said
    assert harmless(said)


def test_a_door_is_listed_as_text_that_a_shell_takes_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path))
    doors = [Path(f"/tmp/cockpit-door-x/night{EVIL}.sock"), Path("/tmp/cockpit-door-y/$(reboot).sock")]
    monkeypatch.setattr("cockpit.conductor.door.open_doors", lambda: doors)
    assert main(["runs"]) == 0
    said = capsys.readouterr().out
    assert harmless(said)
    assert "cockpit watch '/tmp/cockpit-door-y/$(reboot).sock'" in said
