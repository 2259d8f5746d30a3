"""A run that is resumed goes on with what it had measured; the time in which nobody conducted it is not known."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from cockpit.clock import SystemClock
from cockpit.conductor.assembly import Options, conduct
from cockpit.engine.ledger import Ledger
from cockpit.events import DowntimeSeen, Record, RunEnded, RunStarted
from cockpit.journal.folder import RunFolder
from cockpit.journal.writer import JournalWriter
from cockpit.lab import Lab
from cockpit.plan.load import load_plan
from cockpit.plan.model import Plan
from cockpit.state import RunState


class Earlier(SystemClock):
    """Two minutes ago."""

    def utc(self) -> float:
        return time.time() - 120


async def left(run: RunFolder, plan: Plan, ended: bool) -> None:
    """A run that was left two minutes ago."""
    async with JournalWriter(run.journal, Earlier()) as journal:
        ledger = Ledger(journal, RunState())
        await ledger.write(RunStarted(run=run.id, plan=plan, mode="live", version="0"), "conductor")
        await ledger.write(DowntimeSeen(service="osf", lower=1.0, upper=2.0, failed=3, samples=5), "probe")
        if ended:
            await ledger.write(RunEnded(verdict="left", exit=1), "conductor")


@pytest.mark.parametrize("ended", [False, True])
async def test_the_time_without_a_conductor_is_in_the_upper_bound_unless_the_run_had_ended(
    lab: Lab, tmp_path: Path, ended: bool
) -> None:
    plan, run = load_plan(lab.plan_path), RunFolder(tmp_path / "run")
    run.path.mkdir()
    await left(run, plan, ended)
    told: asyncio.Queue[DowntimeSeen] = asyncio.Queue()

    def observe(record: Record) -> None:
        if isinstance(record.event, DowntimeSeen) and record.event.service == "osf":
            told.put_nowait(record.event)

    task = asyncio.create_task(conduct(run, plan, Options(), observers=(observe,)))
    try:
        async with asyncio.timeout(60):
            seen = await told.get()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (seen.lower, seen.failed) == (1.0, 3)
    assert seen.samples > 5
    if ended:
        assert seen.upper == 2.0
    else:
        assert 122.0 <= seen.upper < 180.0
        assert seen.missed >= 478
