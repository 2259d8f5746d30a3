"""What only observes begins anew after a fault, and ends no run."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from cockpit.conductor import assembly
from cockpit.conductor.assembly import Conductor


async def test_what_observes_begins_anew_after_a_fault_and_the_fault_is_told() -> None:
    told: list[Any] = []
    waits: list[float] = []
    lives = 0

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def work() -> None:
        nonlocal lives
        lives += 1
        if lives < 8:
            raise OverflowError("int too large")
        await asyncio.Event().wait()

    conductor = Conductor.__new__(Conductor)
    conductor._ledger = SimpleNamespace(post=lambda event, actor: told.append(event))  # type: ignore[assignment]
    conductor._clock = SimpleNamespace(sleep=sleep)  # type: ignore[assignment]
    task = asyncio.create_task(conductor._kept_up("tails", work))
    async with asyncio.timeout(5):
        while lives < 8:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [event.message for event in told] == ["tails stopped: OverflowError: int too large"] * 7
    assert waits[:3] == [1.0, 2.0, 4.0]
    assert max(waits) == assembly.LONGEST_PAUSE
