"""The life of steps, one behaviour at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import GateOpened, StepIntended, StepMoved, Trouble, WheelLost, WriterSeen
from cockpit.plan.model import Manual, Sync, Window
from tests.engine.world import Rig, small_plan


async def rig_at(**failing: str) -> Rig:
    rig = Rig(small_plan())
    for key, verdict in failing.items():
        step, _, op = key.partition("__")
        rig.world.failing[(f"s0/{step}", op)] = verdict
    await rig.start()
    return rig


async def run_all(rig: Rig, service: str = "s0") -> None:
    assert await rig.submit(it.RunToGate(service=service)) == ""
    await rig.settle()


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


async def test_a_gate_opens_by_its_name_and_fresh_evidence_only() -> None:
    rig = await rig_at()
    assert "s0/copy is blocked" in (await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good")) or "")
    await run_all(rig)
    assert "type pilot-good" in (await rig.submit(it.OpenGate(gate="pilot-good", typed="y")) or "")
    assert "the writer is" in (await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good")) or "")
    await rig.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
    rig.clock.now += 100
    assert "100 s ago" in (await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good")) or "")
    await rig.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
    assert "gate" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    assert await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good")) == ""
    assert await rig.submit(it.RunStep(ref="s1/copy")) == ""
    await rig.settle()
    assert rig.state.step("s1/copy").state == "done"
    await rig.kill()


async def test_preparation_has_no_clock_and_the_window_is_for_the_phases_it_names() -> None:
    plan = small_plan(1)
    start = "2023-11-14T23:00:00+00:00"
    window = Window(start=start, end="2023-11-15T00:00:00+00:00", phases=("freeze", "switch"))
    service = replace(plan.services[0], window=window)
    rig = Rig(replace(plan, services=(service,), gates=()))
    await rig.start()
    assert await rig.submit(it.RunStep(ref="s0/copy")) == ""
    await rig.settle()
    assert start in (await rig.submit(it.RunStep(ref="s0/freeze")) or "")
    rig.clock.now = rules.moment(start) + 60
    assert await rig.submit(it.RunStep(ref="s0/freeze")) == ""
    await rig.settle()
    rig.clock.now += 7200
    assert await rig.submit(it.RunStep(ref="s0/sync")) == ""
    await rig.settle()
    assert "closed" in (await rig.submit(it.RunStep(ref="s0/switch")) or "")
    await rig.kill()


async def test_an_override_needs_a_reason_and_is_kept() -> None:
    rig = await rig_at()
    await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good", override="the customer asked for it"))
    assert rig.state.gates["pilot-good"].override == "the customer asked for it"
    await rig.kill()


async def test_when_the_driver_is_lost_nothing_new_starts() -> None:
    rig = await rig_at()
    await rig.submit(it.RunToGate(service="s0"))
    await rig.ledger.write(WheelLost(driver="tom"), "conductor")
    await rig.settle()
    running = [view.ref for view in rig.state.services["s0"].steps.values() if view.state == "done"]
    assert len(running) <= 1
    assert "nobody holds the wheel" in (await rig.submit(it.RunNext(service="s0")) or "")
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


async def test_what_never_acted_is_not_verified_and_panic_asks_nothing() -> None:
    rig = await rig_at()
    assert "has not" in (await rig.submit(it.Verify(ref="s0/copy")) or "")
    await rig.submit(it.RunNext(service="s0"))
    await rig.settle()
    await rig.submit(it.Panic())
    assert "panic" in (await rig.submit(it.Verify(ref="s0/copy")) or "")
    await rig.kill()


async def test_an_evidence_gate_opens_and_closes_with_its_evidence() -> None:
    plan = small_plan()
    rig = Rig(replace(plan, gates=(replace(plan.gates[0], kind="evidence"),)))
    await rig.start()
    await run_all(rig)
    assert "the writer is" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await rig.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
    assert await rig.submit(it.RunStep(ref="s1/copy")) == ""
    await rig.settle()
    assert rig.state.step("s1/copy").state == "done"
    await rig.ledger.write(WriterSeen(service="s0", writer="both"), "probe")
    assert "gate pilot-good is closed" in (await rig.submit(it.RunStep(ref="s1/freeze")) or "")
    assert "stays closed" in (await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good")) or "")
    assert await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good", override="seen by eye")) == ""
    assert await rig.submit(it.RunStep(ref="s1/freeze")) == ""
    await rig.settle()
    await rig.kill()


async def test_a_gate_keeps_the_head_of_the_journal_that_it_was_opened_on() -> None:
    rig = await rig_at()
    head = rig.journal.head
    await rig.submit(it.OpenGate(gate="pilot-good", typed="pilot-good", override="because"))
    [opened] = [record.event for record in rig.journal.records() if isinstance(record.event, GateOpened)]
    assert opened.head >= head
    assert opened.by == "tom"
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


async def test_stale_evidence_keeps_an_evidence_gate_closed_though_nothing_happens() -> None:
    plan = small_plan()
    rig = Rig(replace(plan, gates=(replace(plan.gates[0], kind="evidence"),)))
    await rig.start()
    await run_all(rig)
    await rig.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
    rig.clock.now += 3600
    assert "60 min ago" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await rig.kill()


async def test_nothing_starts_while_a_lost_wheel_could_not_be_written_down() -> None:
    rig = await rig_at()
    rig.engine.stranded = True
    assert "nobody holds the wheel" in (await rig.submit(it.RunStep(ref="s0/copy")) or "")
    await rig.submit(it.RunToGate(service="s0"))
    await rig.settle()
    assert not rig.world.order
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
