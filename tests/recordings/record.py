"""`python -m tests.recordings.record`: runs the demo with the orders of one evening and keeps its journal.

The tests and the pictures replay it, so it is made again only when events or the demo's plan change.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cockpit import intents as it
from cockpit.conductor.client import LiveSource
from cockpit.conductor.launch import spawn
from cockpit.engine import rules
from cockpit.journal.folder import create
from cockpit.lab.control import send
from cockpit.lab.faults import Order
from cockpit.reduce import reduce
from cockpit.state import BUSY, RunState

TARGET = Path(__file__).with_name("karl.jsonl.gz")


class Evening:
    """A screen without a screen: folds what it hears, and sends what the operator would."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.state = RunState()

    async def follow(self) -> None:
        async for batch in self.source.records():
            if isinstance(batch, RunState):
                self.state = batch
                continue
            for record in batch:
                self.state = reduce(self.state, record)

    async def until(self, holds: Callable[[], bool], seconds: float = 90.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.05)

    async def quiet(self) -> None:
        """Until nothing runs and no service goes on by itself."""
        await asyncio.sleep(0.3)
        await self.until(
            lambda: (
                not any(
                    service.advancing or any(step.state in BUSY for step in service.steps.values())
                    for service in self.state.services.values()
                )
            )
        )

    async def order(self, intent: it.AnyIntent) -> None:
        refusal = await self.source.send(intent)
        print(f"{type(intent).__name__:<12} {refusal or 'taken'}", flush=True)


async def evening(run: Evening, lab: Path) -> None:
    """A pilot with a step taken back and done again, a server that dies in the middle, a gate, and the rest."""
    await run.until(lambda: run.state.plan is not None and bool(run.source.drives))
    await run.until(lambda: all(service.writer == "old" for service in run.state.services.values()))
    await asyncio.sleep(1.5)
    await run.order(it.AddNote(text="Contact at OSF is on the phone; the window is agreed"))
    await run.order(it.RunToGate(service="osf"))
    await run.quiet()
    await asyncio.sleep(2)
    await run.order(it.Undo(service="osf"))
    await run.quiet()
    await run.order(it.RunNext(service="osf"))
    await run.quiet()
    await run.order(it.AddNote(text="Mail arrives at the new host; their editor logged in"))
    await run.until(lambda: rules.gate_readiness(run.state, "pilot-good", run.source.now()).ok)
    await run.order(it.OpenGate(gate="pilot-good", typed="pilot-good"))
    await asyncio.to_thread(send, lab, Order(fault="kill-server", server="mail-new"))
    await asyncio.sleep(0.5)
    await run.order(it.RunToGate(service="oxfam"))
    await run.quiet()
    await asyncio.sleep(1)
    await asyncio.to_thread(send, lab, Order(fault="restore"))
    await asyncio.sleep(1)
    for _ in range(3):
        for ref, step in run.state.services["oxfam"].steps.items():
            if step.state in rules.STOPS_ADVANCE:
                await run.order(it.Verify(ref=ref) if step.state == "unverified" else it.RunStep(ref=ref))
                await run.quiet()
    await run.order(it.RunToGate())
    await run.quiet()
    await asyncio.sleep(6)
    await run.order(it.End())
    await run.until(lambda: bool(run.state.ended))


async def main() -> int:
    os.environ["COCKPIT_NAME"] = "tom"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["COCKPIT_RUNS"] = folder
        run_folder = create("demo karl")
        spawn(run_folder.path, ["--folder", str(run_folder.path), "--lab", "karl", "--linger", "60"])
        run = Evening(LiveSource(run_folder.socket, "tom", run_folder.token()))
        following = asyncio.create_task(run.follow())
        try:
            await evening(run, run_folder.path / "lab")
        finally:
            following.cancel()
        data = run_folder.journal.read_bytes()
        TARGET.write_bytes(gzip.compress(data, 9, mtime=0))
        states = {ref: step.state for service in run.state.services.values() for ref, step in service.steps.items()}
        print(f"{len(data):,} bytes, {run.state.seq} events, verdict: {run.state.verdict}", *states.items(), sep="\n")
    return run.state.exit


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
