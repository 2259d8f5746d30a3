"""Gates and drivers: what may start at all, and who may say so."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import GateOpened, WheelLost, WriterSeen
from cockpit.plan.model import Window
from tests.engine.world import Rig, rig_at, run_all, small_plan


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
