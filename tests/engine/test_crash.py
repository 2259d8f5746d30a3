"""A SIGKILL at every position of the journal, on the way there and on the way back."""

from __future__ import annotations

import os

import pytest

from cockpit import intents as it
from cockpit.state import RunState
from tests.engine.world import Rig, World, small_plan

THERE = ["s0/copy", "s0/freeze", "s0/sync", "s0/switch", "s0/check"]


async def drive(rig: Rig, back: bool) -> bool:
    """Cut s0 over (and back). False when it was killed on the way."""
    if not back and await rig.submit(it.RunToGate(service="s0")) is None:
        return False
    if not await rig.settle():
        return False
    while back and rig.state.services["s0"].history:
        if await rig.submit(it.Undo(service="s0", typed="s0")) is None or not await rig.settle():
            return False
    return True


def ends(world: World, state: RunState, back: bool) -> None:
    states = {view.state for view in state.services["s0"].steps.values()}
    assert states == ({"undone"} if back else {"done"})
    assert world.holds == (set() if back else set(THERE))
    assert world.writers["s0"] == ({"old"} if back else {"new"})
    assert not world.two_writers
    for ref in THERE:
        assert world.effects[f"apply {ref}"] == 1, f"{ref} ran {world.effects[f'apply {ref}']} times"
        assert world.effects[f"undo {ref}"] == (1 if back else 0)


async def length(back: bool) -> tuple[int, int]:
    rig = Rig(small_plan(1))
    await rig.start()
    await drive(rig, back=False)
    there = len(rig.journal.lines)
    if back:
        await drive(rig, back=True)
    await rig.kill()
    return there, len(rig.journal.lines)


async def killed_at(position: int, back: bool) -> None:
    rig = Rig(small_plan(1))
    await rig.start(limit=None if back else position)
    alive = await drive(rig, back=False)
    if back:
        rig.journal.limit = position
        alive = await drive(rig, back=True)
    await rig.kill()
    if not alive or rig.journal.dead.is_set():
        await rig.start()
        await rig.settle()
        await drive(rig, back=bool(back))
        if back:
            await drive(rig, back=True)
    ends(rig.world, rig.state, back)
    await rig.kill()


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
async def test_killed_at_every_journal_position_it_resumes_to_the_same_end(back: bool) -> None:
    there, total = await length(back)
    positions = range(there + 1, total) if back else range(2, there)
    step = max(1, int(os.environ.get("COCKPIT_KILL_STRIDE", "1")))
    for position in positions[::step]:
        try:
            await killed_at(position, back)
        except AssertionError as error:
            raise AssertionError(f"killed at event {position}: {error}") from error
