"""Verifications that only time can end: shown as waiting, no shorter after a crash, and broken off by other work."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import msgspec
import pytest

from cockpit import intents as it
from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import StepCaptured, StepMoved
from tests.engine.world import ModelHands, Rig, Ticks, small_plan

OLD_TTL = 10.0


class Patient(ModelHands):
    """Hands whose `copy` holds for good only so long after it was first seen to hold."""

    clock: ClassVar[Ticks]

    async def act(self, call: Call, say: Say) -> Outcome:
        outcome = await super().act(call, say)
        if (call.step.id, call.op, outcome.verdict) != ("copy", "verify", "ok"):
            return outcome
        since = float(call.captured.get("since", "0")) or self.clock.now
        if self.clock.now >= since + OLD_TTL:
            return outcome
        kept = call.captured | {"since": str(since)}
        return Outcome(verdict="wait", detail="until it has passed", until=since + OLD_TTL, captured=kept)


class Waiting(Rig):
    kind = Patient


def rig() -> Waiting:
    made = Waiting(small_plan(1))
    Patient.clock = made.clock
    return made


def moves(rig: Rig) -> list[tuple[str, float]]:
    return [
        (record.event.state, record.event.until)
        for record in rig.journal.records()
        if isinstance(record.event, StepMoved) and record.event.ref == "s0/copy"
    ]


async def test_a_step_waits_until_its_time_and_is_done_then() -> None:
    waiting = rig()
    await waiting.start()
    began = waiting.clock.now
    await waiting.submit(it.RunNext(service="s0"))
    await waiting.settle()
    seen = moves(waiting)
    assert [state for state, _ in seen] == ["running", "verifying", "waiting", "verifying", "done"]
    assert seen[2][1] == pytest.approx(began + OLD_TTL, abs=1)
    assert waiting.clock.now >= seen[2][1]
    assert waiting.state.step("s0/copy").captured["before"] == "absent", "what undo needs stays"
    await waiting.kill()


async def test_nothing_that_needs_it_starts_while_it_waits() -> None:
    waiting = rig()
    await waiting.start()
    await waiting.submit(it.RunToGate(service="s0"))
    await waiting.settle()
    done = next(r.utc for r in waiting.journal.records() if isinstance(r.event, StepMoved) and r.event.state == "done")
    freeze = [r.utc for r in waiting.journal.records() if isinstance(r.event, StepMoved) and r.event.ref == "s0/freeze"]
    assert freeze
    assert min(freeze) >= done
    await waiting.kill()


async def test_a_kill_at_any_position_makes_the_wait_no_shorter() -> None:
    whole = rig()
    await whole.start()
    await whole.submit(it.RunNext(service="s0"))
    await whole.settle()
    length = len(whole.journal.lines)
    await whole.kill()
    for position in range(3, length):
        killed = rig()
        await killed.start(limit=position)
        if await killed.submit(it.RunNext(service="s0")) is not None:
            await killed.settle()
        await killed.kill()
        killed.clock.now += 3
        await killed.start()
        await killed.settle()
        if killed.state.step("s0/copy").state != "done":
            await killed.submit(it.RunNext(service="s0"))
            await killed.settle()
        assert killed.state.step("s0/copy").state == "done", position
        records = killed.journal.records()
        since = min(
            float(r.event.captured["since"])
            for r in records
            if isinstance(r.event, StepCaptured) and "since" in r.event.captured
        )
        done = next(r.utc for r in records if isinstance(r.event, StepMoved) and r.event.state == "done")
        assert done >= since + OLD_TTL, position
        assert killed.world.effects["apply s0/copy"] == 1, position
        await killed.kill()


class Stopped(Ticks):
    """Time that stands still: the wait never ends by itself. While `held`, not even a look at it ends."""

    held = False

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        while self.held:
            await asyncio.sleep(0)


async def stopped(services: int = 1, *, before: bool = False) -> Waiting:
    """A run in which `copy` of the first service waits; `before` says that it was so before the run."""
    made = Waiting(small_plan(services))
    made.clock = Patient.clock = Stopped()
    if before:
        made.world.holds.add("s0/copy")
    await made.start()
    await made.submit(it.RunStep(ref="s0/copy"))
    await turns()
    assert made.state.step("s0/copy").state == "waiting"
    return made


async def turns(count: int = 400) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_abort_breaks_a_wait_off_and_takes_the_step_back() -> None:
    waiting = rig()
    waiting.clock = Stopped()
    Patient.clock = waiting.clock
    await waiting.start()
    await waiting.submit(it.RunStep(ref="s0/copy"))
    for _ in range(400):
        await asyncio.sleep(0)
    assert waiting.state.step("s0/copy").state == "waiting"
    assert await waiting.submit(it.Abort(service="s0", typed="s0")) == ""
    await waiting.settle()
    assert waiting.state.step("s0/copy").state == "unverified"
    assert "broken off" in waiting.state.step("s0/copy").detail
    assert await waiting.submit(it.Undo(service="s0")) == ""
    await waiting.settle()
    assert waiting.state.step("s0/copy").state == "undone"
    await waiting.kill()


async def test_an_undo_breaks_a_wait_off_and_takes_the_step_back() -> None:
    waiting = await stopped()
    assert await waiting.submit(it.Undo(service="s0")) == ""
    assert await waiting.submit(it.Undo(service="s0")) == "s0 is busy"
    await waiting.settle()
    assert waiting.state.step("s0/copy").state == "undone"
    assert "s0/copy" not in waiting.world.holds
    await waiting.kill()


async def test_a_panic_before_the_wait_is_broken_off_keeps_the_undo_from_beginning() -> None:
    waiting = await stopped()
    Patient.clock.held = True  # type: ignore[attr-defined]
    assert await waiting.submit(it.Undo(service="s0")) == ""
    assert await waiting.submit(it.Panic()) == ""
    Patient.clock.held = False  # type: ignore[attr-defined]
    await waiting.settle()
    assert waiting.state.step("s0/copy").state == "unverified"
    assert waiting.world.effects["undo s0/copy"] == 0
    await waiting.kill()


async def test_a_verify_looks_again_at_once_and_the_wait_goes_on() -> None:
    waiting = await stopped()
    until = waiting.state.step("s0/copy").until
    looks = len(moves(waiting))
    assert await waiting.submit(it.Verify(ref="s0/copy")) == ""
    await turns()
    assert [state for state, _ in moves(waiting)[looks:]] == ["verifying", "waiting"]
    assert waiting.state.step("s0/copy").until == until
    waiting.clock.now += OLD_TTL
    await turns()
    assert waiting.state.step("s0/copy").state == "done"
    await waiting.kill()


async def test_a_skip_breaks_off_the_wait_of_what_was_so_before_only() -> None:
    waiting = await stopped()
    assert "took effect" in await waiting.submit(it.Skip(ref="s0/copy", reason="enough"))
    await waiting.kill()
    before = await stopped(before=True)
    assert await before.submit(it.Skip(ref="s0/copy", reason="enough")) == ""
    await before.settle()
    assert before.state.step("s0/copy").state == "skipped"
    assert not before.world.effects
    await before.kill()


async def test_steps_that_wait_keep_no_other_service_from_going_on() -> None:
    made = Waiting(msgspec.structs.replace(small_plan(20), gates=()))
    made.clock = Patient.clock = Stopped()
    await made.start()
    assert await made.submit(it.RunToGate()) == ""
    await turns(6000)
    states = [made.state.step(f"s{number}/copy").state for number in range(20)]
    assert states == ["waiting"] * 20
    await made.kill()
