"""A named person's check with its answers; a headless run that waits for nobody longer than it must."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from cockpit.engine import answering
from cockpit.events import IntentTaken
from cockpit.journal.reader import records
from cockpit.plan.load import load_plan
from tests.people.running import headless, written

PLAN = """\
cutover: 1
name: checks
services:
  - id: web
    steps:
      - id: before
        phase: prepare
        manual: {owner: Tom, message: Tell the office.}
      - id: look
        phase: verify
        manual:
          owner: Ann
          message: Log in on new and change a page.
          question: Does it work?
          answers: [all well, well with remarks, broken]
          good: [all well, well with remarks]
      - {id: after, phase: verify, manual: {owner: Tom, message: Tell them it is over.}}
  - id: other
    steps:
      - {id: mine, phase: prepare, needs: [web/look], manual: {owner: Ann, message: Yours.}}
"""


async def test_a_headless_run_that_waits_for_a_person_ends_and_can_be_gone_on_with(tmp_path: Path) -> None:
    state = await headless(tmp_path, PLAN)
    assert (state.exit, state.step("web/before").state, state.step("web/before").detail) == (
        3,
        "blocked",
        "nobody has answered yet",
    )
    assert "not answered: web/before" in state.verdict
    state = await headless(tmp_path, answers={"web/before": "done", "web/look": "All Well: two typos"})
    assert (state.exit, state.step("web/look").state) == (3, "done")
    assert state.step("web/look").detail == "Ann answered: all well: two typos"
    assert set(answering.unanswered(state)) == {"web/after", "other/mine"}
    state = await headless(tmp_path, answers={"web/after": "done", "other/mine": "seen"})
    assert (state.exit, state.step("other/mine").detail) == (0, "Ann answered: seen")


async def test_an_answer_that_is_not_a_good_one_fails_the_step(tmp_path: Path) -> None:
    """S39: named people check; who answered what is recorded."""
    state = await headless(tmp_path, PLAN, answers={"web/before": "done", "web/look": "broken: no login"})
    assert (state.exit, state.step("web/look").state) == (1, "failed")
    assert state.step("web/look").detail == "Ann answered: broken: no login"
    taken = [record for record in records(tmp_path / "run/journal.jsonl") if isinstance(record.event, IntentTaken)]
    assert any('"by":"Ann"' in record.event.intent and record.actor == "headless" for record in taken)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("look=perhaps", "is answered with one of: all well, well with remarks, broken"),
        ("look", "is no answer"),
        ("nobody=done", "asks nobody"),
        ("web/none=done", "asks nobody"),
    ],
)
def test_an_answer_that_fits_nothing_is_refused_beforehand(tmp_path: Path, given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        answering.orders(load_plan(written(tmp_path, PLAN)), [given])


async def test_the_command_line_gives_answers(tmp_path: Path) -> None:
    plan = written(tmp_path, PLAN)
    words = [sys.executable, "-m", "cockpit", "run", str(plan), "--headless", "--run-folder", str(tmp_path / "run")]

    async def run(*more: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(*words, *more, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        return process.returncode, said.decode()

    status, said = await run("--answer", "look=maybe")
    assert (status, "one of: all well" in said, (tmp_path / "run/journal.jsonl").exists()) == (2, True, False)
    status, said = await run("--answer", "before=done", "--answer", "web/look=all well")
    assert (status, "Ann answered: all well" in said) == (3, True), said
