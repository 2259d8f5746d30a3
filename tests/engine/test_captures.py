"""What was captured before an act: kept for its undo, and not made of what a try of ours has left."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.events import Trouble
from tests.engine.world import Rig, rig_at, small_plan


@pytest.mark.parametrize("first", [{"before": "absent"}, {}])
async def test_a_capture_that_refuses_what_its_own_apply_left_does_not_stop_another_try(first: dict[str, str]) -> None:
    rig = await rig_at(copy__apply="failed")
    rig.world.captures["s0/copy"] = first
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "failed"
    # Over a crash, too: what tells that an apply was begun is in the journal.
    await rig.kill()
    await rig.start()
    await rig.settle()
    rig.world.failing = {("s0/copy", "capture"): "failed"}
    await rig.submit(it.RunStep(ref="s0/copy"))
    await rig.settle()
    view = rig.state.step("s0/copy")
    assert view.state == "done"
    assert view.captured == first
    assert any("as the test has it" in line for line in view.output), "what the capture said is told"
    assert any(isinstance(r.event, Trouble) and "as the test has it" in r.event.message for r in rig.journal.records())
    await rig.kill()


async def test_another_try_takes_no_value_from_what_its_own_apply_left() -> None:
    rig = await rig_at(copy__apply="failed")
    rig.world.captures["s0/copy"] = {}
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    rig.world.failing = {}
    rig.world.captures["s0/copy"] = {"was": "its own doing"}
    await rig.submit(it.RunStep(ref="s0/copy"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "done"
    assert rig.state.step("s0/copy").captured == {}
    await rig.kill()


async def test_a_host_that_is_away_stops_another_try_at_its_capture() -> None:
    rig = await rig_at(copy__apply="failed")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    rig.world.failing = {("s0/copy", "capture"): "unknown"}
    await rig.submit(it.RunStep(ref="s0/copy"))
    await rig.settle()
    view = rig.state.step("s0/copy")
    assert (view.state, view.op) == ("unknown", "capture")
    assert view.detail.endswith("nothing more was changed")
    assert not rig.world.order
    await rig.kill()


async def test_after_an_undo_a_capture_that_fails_stops_the_step_again() -> None:
    rig = await rig_at()
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    await rig.submit(it.Undo(service="s0"))
    await rig.settle()
    rig.world.failing = {("s0/copy", "capture"): "failed"}
    await rig.submit(it.RunStep(ref="s0/copy"))
    await rig.settle()
    view = rig.state.step("s0/copy")
    assert (view.state, view.op) == ("failed", "capture")
    assert view.detail.endswith("; nothing was changed")
    await rig.kill()


async def test_the_capture_of_a_copy_judges_each_try_anew() -> None:
    plan = small_plan()
    first, *rest = plan.services[0].steps
    service = replace(plan.services[0], steps=(replace(first, kind="sync"), *rest))
    rig = Rig(replace(plan, services=(service, *plan.services[1:])))
    rig.world.failing = {("s0/copy", "apply"): "failed"}
    await rig.start()
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    rig.world.failing = {("s0/copy", "capture"): "failed"}
    await rig.submit(it.RunStep(ref="s0/copy"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "failed"
    assert not rig.world.order
    await rig.kill()
