"""What a step costs beyond its remote commands: from the key's intent to the tick, over a real journal on this disk.

The hands answer at once, so what is left is engine, ledger and journal: every intent and outcome is synced to disk on the way.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from cockpit import intents as it
from cockpit.clock import SystemClock
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import RunStarted, WheelTaken
from cockpit.journal.reader import records
from cockpit.journal.writer import JournalWriter
from tests.engine.world import small_plan

TARGET = 0.005
ROUNDS = 40


class Instant:
    """Hands that are done before they are asked."""

    def __init__(self) -> None:
        self.holds: set[str] = set()

    async def act(self, call: Call, say: Say) -> Outcome:
        match call.op:
            case "probe":
                return Outcome(verdict="ok" if call.step.ref in self.holds else "no")
            case "capture":
                return Outcome(verdict="ok", captured={"before": "x"})
            case "apply":
                self.holds.add(call.step.ref)
        return Outcome(verdict="ok")

    async def recall(self, call: Call, say: Say) -> Outcome:
        return Outcome(verdict="nothing")


async def _run(folder: Path, services: int) -> tuple[list[float], int]:
    plan = small_plan(services)
    took: list[float] = []
    async with JournalWriter(folder / "journal.jsonl", SystemClock()) as journal:
        ledger = Ledger(journal)
        journal.subscribe(ledger.observe)
        await ledger.write(RunStarted(run="bench", plan=plan), "bench")
        engine = Engine(ledger, Instant(), SystemClock())
        running = asyncio.create_task(engine.run())
        await ledger.write(WheelTaken(driver="bench"), "bench")
        for step in plan.services[0].steps:
            began = time.perf_counter()
            refusal = await engine.submit(it.RunNext(service="s0"), "bench")
            if refusal:
                raise RuntimeError(refusal)
            while ledger.state.step(step.ref).state != "done":
                await asyncio.sleep(0)
            took.append(time.perf_counter() - began)
            while engine.busy:
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return took, sum(1 for _ in records(folder / "journal.jsonl"))


def measure(rounds: int = 0) -> bool:
    """Print the distribution over all steps; whether the median is within the target."""
    took: list[float] = []
    events = 0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for number in range(rounds or ROUNDS):
            path = Path(folder) / str(number)
            path.mkdir()
            more, count = asyncio.run(_run(path, 1))
            took += more
            events += count
    took.sort()
    median = statistics.median(took)
    print(f"{len(took)} steps, {events} events, each durable kind synced before it was built on")
    print(
        f"median {median * 1000:6.2f} ms   p90 {took[int(len(took) * 0.9)] * 1000:6.2f} ms   max {took[-1] * 1000:6.2f} ms"
    )
    print(f"target: median at most {TARGET * 1000:.0f} ms")
    return median <= TARGET
