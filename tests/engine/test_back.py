"""Going back: undo in reverse order, abort, panic, and what must not be taken back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from msgspec.structs import replace

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import StepIntended, WriterSeen
from tests.engine.world import Rig, rig_at, run_all, small_plan


async def test_undo_goes_back_in_reverse_order_and_is_verified() -> None:
    rig = await rig_at()
    await run_all(rig)
    for _ in range(5):
        assert await rig.submit(it.Undo(service="s0", typed="s0")) == ""
        await rig.settle()
    undone = [ref for op, ref in rig.world.order if op == "undo"]
    assert undone == ["s0/check", "s0/switch", "s0/sync", "s0/freeze", "s0/copy"]
    assert rig.world.writers["s0"] == {"old"}
    assert rig.state.services["s0"].may_write == {"old"}
    await rig.kill()


async def test_an_undo_that_does_not_hold_is_undo_failed() -> None:
    rig = await rig_at(copy__verify_undo="no")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    await rig.submit(it.Undo(service="s0"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "undo_failed"
    await rig.kill()


async def test_going_back_over_writes_that_new_took_needs_the_name_typed() -> None:
    rig = await rig_at()
    await run_all(rig)
    await rig.submit(it.Undo(service="s0"))
    await rig.settle()
    await rig.ledger.write(WriterSeen(service="s0", writer="new", writes=3), "probe")
    assert rules.rollback(rig.state, "s0").losses == 3
    refusal = await rig.submit(it.Undo(service="s0"))
    assert refusal is not None
    assert "loses 3" in refusal
    assert await rig.submit(it.Undo(service="s0", typed="s0")) == ""
    await rig.settle()
    assert rig.state.services["s0"].losses_declared == 3
    await rig.kill()


async def test_abort_takes_back_what_was_frozen_and_keeps_the_copy() -> None:
    rig = await rig_at(switch__apply="failed")
    await run_all(rig)
    assert rig.state.step("s0/switch").state == "failed"
    assert "type s0" in (await rig.submit(it.Abort(service="s0")) or "")
    assert await rig.submit(it.Abort(service="s0", typed="s0")) == ""
    await rig.settle()
    states = {ref.partition("/")[2]: view.state for ref, view in rig.state.services["s0"].steps.items()}
    assert states["freeze"] == states["sync"] == states["switch"] == "undone"
    assert states["copy"] == "done"
    assert rig.world.writers["s0"] == {"old"}
    await rig.kill()


async def test_abort_of_all_takes_back_first_what_needs_the_rest() -> None:
    plan = small_plan(loose=True)
    rig = Rig(replace(plan, gates=()))
    await rig.start()
    await run_all(rig, "")
    assert rig.world.order.index(("apply", "s0/sync")) < rig.world.order.index(("apply", "s1/sync"))
    assert await rig.submit(it.Abort(typed="all")) == ""
    await rig.settle()
    assert rig.world.order.index(("undo", "s1/sync")) < rig.world.order.index(("undo", "s0/sync"))
    assert rig.world.writers == {"s0": {"old"}, "s1": {"old"}}
    await rig.kill()


async def test_an_undo_that_is_asked_for_while_the_service_goes_on_is_refused_or_takes_the_last_step() -> None:
    for rounds in range(60):
        rig = await rig_at()
        await rig.submit(it.RunToGate(service="s0"))
        for _ in range(rounds):
            await asyncio.sleep(0)
        await rig.submit(it.Undo(service="s0", typed="s0"))
        await rig.settle()
        done: list[str] = []
        for op, ref in rig.world.order:
            if op == "apply":
                done.append(ref)
            else:
                assert done.pop() == ref, rounds
        await rig.kill()


async def test_panic_touches_nothing_and_continue_ends_it() -> None:
    rig = await rig_at()
    await rig.submit(it.RunToGate(service="s0"))
    assert await rig.submit(it.Panic()) == ""
    await rig.settle()
    before = list(rig.world.order)
    assert "panic" in (await rig.submit(it.RunNext(service="s0")) or "")
    await rig.settle()
    assert rig.world.order == before
    assert await rig.submit(it.Continue()) == ""
    assert await rig.submit(it.RunNext(service="s0")) == ""
    await rig.settle()
    assert rig.world.order != before
    await rig.kill()


async def test_a_step_without_undo_is_passed_over_and_what_was_before_it_is_taken_back() -> None:
    plan = small_plan()
    steps = tuple(replace(step, undoable=step.id != "check") for step in plan.services[0].steps)
    rig = Rig(replace(plan, services=(replace(plan.services[0], steps=steps), plan.services[1])))
    await rig.start()
    await run_all(rig)
    for _ in range(2):
        assert await rig.submit(it.Undo(service="s0", typed="s0")) == ""
        await rig.settle()
    assert ("undo", "s0/check") not in rig.world.order
    assert (rig.state.step("s0/check").state, "stays as it is" in rig.state.step("s0/check").detail) == ("undone", True)
    assert rig.state.step("s0/switch").state == "undone"
    await rig.kill()


async def test_what_was_captured_ends_with_its_undo() -> None:
    rig = await rig_at()
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    assert rig.state.step("s0/copy").captured == {"before": "absent"}
    await rig.submit(it.Undo(service="s0"))
    await rig.settle()
    assert rig.state.step("s0/copy").captured == {}
    await rig.kill()


async def test_an_undo_that_never_began_is_to_be_done_again() -> None:
    rig = await rig_at(copy__apply="failed")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    await rig.kill()
    intents = [n for n, r in enumerate(rig.journal.records(), 1)]
    await rig.start(limit=len(intents) + 5)
    await rig.submit(it.Undo(service="s0"))
    with suppress(AssertionError):
        await rig.settle(200)
    last = rig.journal.records()[-1].event
    assert isinstance(last, StepIntended)
    assert last.op == "undo"
    await rig.kill()
    rig.world.jobs.pop(last.job, None)
    rig.world.effects.clear()
    await rig.start()
    await rig.settle()
    assert rig.state.step("s0/copy").state == "undo_failed"
    assert await rig.submit(it.Undo(service="s0")) == ""
    await rig.settle()
    assert rig.world.effects["undo s0/copy"] == 1
    assert rig.state.step("s0/copy").state == "undone"
    await rig.kill()
