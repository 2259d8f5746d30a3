"""A hold or a panic that lands while an undo is about to begin: nothing was taken back, and the step is what it was."""

from __future__ import annotations

import asyncio

import pytest

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import StepIntended, StepMoved, Who, WriterSeen
from cockpit.state import StepView
from tests.engine.world import Rig, rig_at

BOB = Who(screen=3, name="bob")
HOLD = it.Hold(reason="I see errors")
WORDS = "a hold came before the undo began"

TROUBLES = {
    "done": {},
    "unverified": {"verify": "no"},
    "failed": {"apply": "failed"},
    "undo_failed": {"undo": "failed"},
    "not back": {"verify_undo": "no"},
}
"""What goes wrong with a step that is then to be taken back."""


async def to(trouble: str, id: str) -> Rig:
    """A run in which the step is the last that took effect, with its trouble."""
    rig = await rig_at(**{f"{id}__{op}": verdict for op, verdict in TROUBLES[trouble].items()})
    for step in ("copy", "freeze", "sync", "switch"):
        await rig.submit(it.RunStep(ref=f"s0/{step}"))
        await rig.settle()
        if step == id:
            break
    if trouble in {"undo_failed", "not back"}:
        await rig.submit(it.Undo(service="s0", typed="s0"))
        await rig.settle()
    return rig


async def undo_meets(rig: Rig, halt: it.Intent) -> None:
    """An undo and what halts it, at once: the first is on its way to the disk when the other comes."""
    before = len(rig.journal.lines)
    undoing = asyncio.create_task(rig.engine.submit(it.Undo(service="s0", typed="s0"), "tom"))
    halting = asyncio.create_task(rig.engine.submit(halt, "bob", BOB))
    dying = asyncio.create_task(rig.journal.dead.wait())
    both = asyncio.gather(undoing, halting)
    await asyncio.wait({both, dying}, return_when=asyncio.FIRST_COMPLETED)
    if not rig.journal.dead.is_set():
        assert both.result() == ["", ""]
        await rig.settle()
    for task in (both, undoing, halting, dying):
        task.cancel()
    await asyncio.gather(undoing, halting, dying, both, return_exceptions=True)
    events = [record.event for record in rig.journal.records()[before:]]
    assert not [event for event in events if isinstance(event, StepIntended)]
    if not rig.journal.dead.is_set():
        assert [event for event in events if isinstance(event, StepMoved) and event.state == "undoing"]


async def released(rig: Rig) -> None:
    for hold in rig.state.holds:
        assert await rig.submit(it.Release(hold=hold.seq, typed=hold.name)) == ""


async def test_a_step_that_failed_has_failed_still_and_runs_again() -> None:
    rig = await to("failed", "sync")
    was = rig.state.step("s0/sync")
    assert not rig.state.planned("s0/sync").idempotent
    await undo_meets(rig, HOLD)
    view = rig.state.step("s0/sync")
    assert (view.state, view.op, view.applied) == ("failed", "apply", "failed")
    assert view.detail == f"{was.detail}; {WORDS}"
    await released(rig)
    rig.world.failing.clear()
    assert await rig.submit(it.RunStep(ref="s0/sync")) == ""
    await rig.settle()
    assert rig.state.step("s0/sync").state == "done"
    await rig.kill()


async def test_a_point_of_no_return_that_failed_was_not_passed() -> None:
    rig = await to("failed", "switch")
    await rig.ledger.write(WriterSeen(service="s0", writer="old", writes=0), "probe")
    await rig.ledger.write(WriterSeen(service="s0", writer="old", writes=7), "probe")
    before = rules.rollback(rig.state, "s0")
    assert before.quality == "lossless"
    await undo_meets(rig, HOLD)
    assert rules.rollback(rig.state, "s0") == before
    await rig.kill()


@pytest.mark.parametrize("trouble", ["undo_failed", "not back"])
async def test_a_point_of_no_return_whose_undo_failed_counts_as_passed(trouble: str) -> None:
    rig = await to(trouble, "switch")
    assert rig.state.step("s0/switch").state == "undo_failed"
    await rig.ledger.write(WriterSeen(service="s0", writer="new", writes=0), "probe")
    await rig.ledger.write(WriterSeen(service="s0", writer="new", writes=7), "probe")
    assert rules.rollback(rig.state, "s0").quality == "loses"
    await rig.kill()


@pytest.mark.parametrize("trouble", ["undo_failed", "not back"])
async def test_an_undo_that_failed_has_failed_still(trouble: str) -> None:
    rig = await to(trouble, "copy")
    was = rig.state.step("s0/copy")
    assert was.state == "undo_failed"
    await undo_meets(rig, HOLD)
    view = rig.state.step("s0/copy")
    assert (view.state, view.op, view.applied) == ("undo_failed", was.op, was.applied)
    assert view.detail == f"{was.detail}; {WORDS}"
    await released(rig)
    await undo_meets(rig, HOLD)
    assert rig.state.step("s0/copy").detail == view.detail
    await released(rig)
    rig.world.failing.clear()
    assert await rig.submit(it.Undo(service="s0")) == ""
    await rig.settle()
    assert rig.state.step("s0/copy").state == "undone"
    await rig.kill()


@pytest.mark.parametrize(("verdict", "state"), [("ok", "done"), ("no", "unverified"), ("unknown", "unverified")])
async def test_what_was_done_is_looked_at_and_says_what_came_before_its_undo(verdict: str, state: str) -> None:
    rig = await to("done", "copy")
    rig.world.failing[("s0/copy", "verify")] = verdict
    await undo_meets(rig, HOLD)
    view = rig.state.step("s0/copy")
    assert (view.state, view.applied, view.before) == (state, "ok", None)
    assert view.detail.endswith(f"as the test has it; {WORDS}")
    assert "undo s0/copy" not in rig.world.effects
    await rig.kill()


async def test_a_panic_on_its_way_to_the_disk_is_called_one() -> None:
    rig = await to("failed", "copy")
    await undo_meets(rig, it.Panic())
    view = rig.state.step("s0/copy")
    assert view.state == "failed"
    assert view.detail.endswith("; panic came before the undo began")
    await rig.kill()


async def test_a_step_that_was_stopped_in_its_second_attempt_is_blocked_still() -> None:
    rig = await to("failed", "copy")
    rig.world.failing.clear()
    await rig.submit(it.RunStep(ref="s0/copy"))
    while rig.state.step("s0/copy").state != "running":
        await asyncio.sleep(0)
    assert await rig.engine.submit(HOLD, "bob", BOB) == ""
    await rig.settle()
    assert rig.state.step("s0/copy").state == "blocked"
    await released(rig)
    await undo_meets(rig, HOLD)
    view = rig.state.step("s0/copy")
    assert view.state == "blocked"
    assert view.detail.endswith(f"nothing more was changed; {WORDS}")
    await rig.kill()


async def test_what_is_so_already_in_a_second_attempt_is_so_still() -> None:
    rig = await to("failed", "copy")
    rig.world.failing.clear()
    rig.world.holds.add("s0/copy")
    await rig.submit(it.RunStep(ref="s0/copy"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "already"
    await undo_meets(rig, HOLD)
    assert (rig.state.step("s0/copy").state, rig.state.step("s0/copy").detail) == ("already", WORDS)
    await rig.kill()


def kept(view: StepView) -> tuple[str, str, object]:
    return view.state, view.applied, view.before


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_killed_anywhere_on_the_way_the_step_comes_to_the_same(trouble: str) -> None:
    rig = await to(trouble, "copy")
    began, was = len(rig.journal.lines), rig.state.step("s0/copy")
    await undo_meets(rig, HOLD)
    end, wanted = len(rig.journal.lines), kept(rig.state.step("s0/copy"))
    assert wanted == kept(was)
    await rig.kill()
    reached: set[str] = set()
    for position in range(began + 1, end + 1):
        rig = await to(trouble, "copy")
        assert len(rig.journal.lines) == began
        rig.journal.limit = position
        await undo_meets(rig, HOLD)
        await rig.kill()
        reached.add(rig.state.step("s0/copy").state)
        await rig.start()
        await rig.settle()
        view = rig.state.step("s0/copy")
        assert kept(view) == wanted, f"killed at event {position}"
        assert view.detail == was.detail or "before the undo began" in view.detail, f"killed at event {position}"
        assert "undo s0/copy" not in rig.world.effects or trouble == "not back"
        await rig.kill()
    assert "undoing" in reached
    assert ("verifying" in reached) == (trouble in {"done", "unverified"})
