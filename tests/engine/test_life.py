"""The life of steps, one behaviour at a time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import StepMoved
from cockpit.plan.model import Manual, Sync
from tests.engine.world import Rig, rig_at, run_all, small_plan


async def test_a_service_is_cut_over_and_every_tick_was_verified() -> None:
    rig = await rig_at()
    await run_all(rig)
    assert {view.state for view in rig.state.services["s0"].steps.values()} == {"done"}
    ticks = [r.event for r in rig.journal.records() if isinstance(r.event, StepMoved) and r.event.state == "done"]
    assert len(ticks) == 5
    assert all(tick.verified for tick in ticks)
    await rig.kill()


async def test_an_exit_status_of_zero_without_verification_is_never_done() -> None:
    rig = await rig_at(copy__verify="no")
    await run_all(rig)
    assert rig.state.step("s0/copy").state == "unverified"
    assert rig.state.step("s0/freeze").state == "blocked"
    await rig.kill()


async def test_what_is_so_already_is_verified_and_never_undone_by_us() -> None:
    rig = await rig_at()
    rig.world.holds.add("s0/copy")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "already"
    refusal = await rig.submit(it.Undo(service="s0"))
    assert refusal == "s0 has nothing to undo"
    await rig.kill()


@pytest.mark.parametrize(
    ("op", "verdict", "state"),
    [
        ("probe", "failed", "failed"),
        ("probe", "unknown", "unknown"),
        ("probe", "raises", "unknown"),
        ("capture", "failed", "failed"),
        ("apply", "failed", "failed"),
        ("apply", "unknown", "unknown"),
        ("verify", "unknown", "unverified"),
        ("verify", "nothing", "unverified"),
    ],
)
async def test_each_kind_of_trouble_has_its_state(op: str, verdict: str, state: str) -> None:
    rig = await rig_at(**{f"copy__{op}": verdict})
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == state
    if op in {"probe", "capture"}:
        assert not rig.world.order, "nothing may be touched before the probe and the capture are through"
    await rig.kill()


async def test_a_step_that_would_make_two_writers_is_refused() -> None:
    rig = await rig_at()
    plan = small_plan()
    switch = plan.step("s0/switch")
    assert rules.readiness(rig.state, switch.ref).reason.startswith("it needs s0/sync")
    found = rules._of_writers(rig.state.services["s0"], switch)
    assert found is not None
    assert "two writers" in found.reason
    refusal = await rig.submit(it.Skip(ref="s0/freeze", reason="no time"))
    assert refusal is not None
    assert "two writers" in refusal
    await rig.kill()


async def test_a_full_disk_stops_before_the_act_and_continue_mends_it() -> None:
    rig = await rig_at()
    rig.journal.full = True
    assert "No space left" in (await rig.submit(it.RunNext(service="s0")) or "")
    await rig.settle()
    assert not rig.world.order
    rig.journal.full = False
    await rig.submit(it.Continue())
    assert await rig.submit(it.RunNext(service="s0")) == ""
    await rig.settle()
    assert rig.state.step("s0/copy").state == "done"
    await rig.kill()


async def test_a_verified_step_that_no_longer_holds_is_drifted() -> None:
    rig = await rig_at()
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    rig.world.holds.discard("s0/copy")
    await rig.submit(it.Verify(ref="s0/copy"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "drifted"
    await rig.kill()


async def test_a_person_decides_what_the_host_cannot_tell() -> None:
    rig = await rig_at(copy__apply="unknown", copy__recall="unknown")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    assert "outcome is not known" in (await rig.submit(it.RunStep(ref="s0/copy")) or "")
    assert "reason" in (await rig.submit(it.Decide(ref="s0/copy", applied=True, reason="")) or "")
    await rig.submit(it.Decide(ref="s0/copy", applied=True, reason="I looked"))
    await rig.settle()
    assert rig.state.step("s0/copy").state == "done"
    await rig.kill()


async def test_what_never_acted_is_not_verified_and_panic_asks_nothing() -> None:
    rig = await rig_at()
    assert "has not" in (await rig.submit(it.Verify(ref="s0/copy")) or "")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    await rig.submit(it.Panic())
    assert "panic" in (await rig.submit(it.Verify(ref="s0/copy")) or "")
    await rig.kill()


async def test_a_closer_that_no_longer_holds_leaves_its_side_open() -> None:
    rig = await rig_at()
    for _ in range(3):
        await rig.submit(it.RunNext(service="s0"))
        await rig.settle()
    assert rig.state.services["s0"].may_write == frozenset()
    rig.world.holds.discard("s0/freeze")
    rig.world.writers["s0"].add("old")
    await rig.submit(it.Verify(ref="s0/freeze"))
    await rig.settle()
    assert rig.state.services["s0"].may_write == {"old"}
    assert "two writers" in (await rig.submit(it.RunStep(ref="s0/switch")) or "")
    await rig.kill()


async def test_what_was_closed_or_open_already_counts() -> None:
    rig = Rig(small_plan())
    rig.world.holds.add("s0/freeze")
    rig.world.writers["s0"] = set()
    await rig.start()
    await run_all(rig)
    assert rig.state.step("s0/freeze").state == "already"
    assert rig.state.step("s0/check").state == "done"
    assert rig.world.writers["s0"] == {"new"}
    await rig.kill()
    rig = Rig(small_plan())
    rig.world.holds.add("s0/switch")
    rig.world.writers["s0"] = {"new"}
    await rig.start()
    await run_all(rig)
    while await rig.submit(it.Undo(service="s0", typed="s0")) == "":
        await rig.settle()
    assert rig.state.step("s0/freeze").state == "done"
    assert not rig.world.two_writers
    await rig.kill()


async def asked_ann() -> Rig:
    """A run whose first step is somebody's, and waits for them."""
    plan = small_plan()
    manual = replace(plan.services[0].steps[0], kind="manual", action=Manual(owner="Ann", message="please"))
    service = replace(plan.services[0], steps=(manual, *plan.services[0].steps[1:]))
    rig = Rig(replace(plan, services=(service, plan.services[1])))
    rig.world.failing[("s0/copy", "apply")] = "waits"
    await rig.start()
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    return rig


@pytest.mark.parametrize(("holds", "state"), [(True, "done"), (False, "unverified")])
async def test_an_answer_is_no_proof_where_something_can_be_looked_at(holds: bool, state: str) -> None:
    rig = await asked_ann()
    assert rig.state.step("s0/copy").state == "waiting"
    if holds:
        rig.world.holds.add("s0/copy")
    assert await rig.submit(it.Answer(ref="s0/copy", done=True, text="she did it")) == ""
    await rig.settle()
    assert rig.state.step("s0/copy").state == state
    await rig.kill()


async def test_a_no_from_its_owner_fails_a_manual_step() -> None:
    rig = await asked_ann()
    assert await rig.submit(it.Answer(ref="s0/copy", done=False, text="not tonight")) == ""
    await rig.settle()
    assert (rig.state.step("s0/copy").state, rig.state.step("s0/copy").detail) == ("failed", "answered: not tonight")
    await rig.kill()


async def test_a_copy_can_be_held_to_a_rate_and_the_journal_keeps_it() -> None:
    plan = small_plan()
    service = plan.services[0]
    copy = replace(service.steps[0], kind="sync", action=Sync(source="old", target="new", paths=("a",)))
    steps = (copy, *service.steps[1:])
    rig = Rig(replace(plan, services=(replace(service, steps=steps), *plan.services[1:])))
    await rig.start()
    assert "too little" in await rig.submit(it.Limit(ref=copy.ref, rate=5))
    assert "copies nothing" in await rig.submit(it.Limit(ref=steps[1].ref, rate=0))
    assert await rig.submit(it.Limit(ref=copy.ref, rate=800_000)) == ""
    assert rig.state.step(copy.ref).limit == 800_000
    assert rig.state.step(steps[1].ref).limit == -1
    await rig.kill()
