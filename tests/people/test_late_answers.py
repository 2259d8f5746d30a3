"""A headless run that gives an answer goes on when the answer is heard, however late that is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cockpit.clock import SystemClock
from cockpit.conductor.headless import Headless, Orders
from cockpit.events import Event, Record, RunStarted, ServiceAdvancing, StepMoved, Who
from cockpit.intents import Answer, AnyIntent, End, RunToGate
from cockpit.plan.load import load_plan
from cockpit.plan.model import Plan
from cockpit.reduce import reduce
from cockpit.state import RunState
from tests.people.running import written

PLAN = """\
cutover: 1
name: checks
services:
  - id: web
    steps:
      - {id: ask, phase: prepare, manual: {owner: Tom, message: Tell the office.}}
"""


class Late:
    """A ledger and an engine that hear an answer a while after they took it."""

    busy = False

    def __init__(self, plan: Plan) -> None:
        self.state = RunState()
        self.story: list[str] = []
        self._post(RunStarted(run="r", plan=plan))

    def _post(self, event: Event) -> None:
        seq = self.state.seq + 1
        self.state = reduce(self.state, Record(seq=seq, utc=float(seq), mono=float(seq), actor="", event=event))  # type: ignore[arg-type]

    async def write(self, event: Event, actor: str) -> None:
        self._post(event)

    async def submit(self, intent: AnyIntent, actor: str, who: Who) -> str:
        match intent:
            case RunToGate() if not self.story:
                self._post(ServiceAdvancing(service="web", on=True))
                self._post(StepMoved(ref="web/ask", attempt=1, state="waiting", op="apply"))
            case Answer():
                asyncio.get_running_loop().call_later(0.3, self._hear)
            case End():
                self.story.append("end")
            case _:
                pass
        return ""

    def _hear(self) -> None:
        self.story.append("heard")
        self._post(StepMoved(ref="web/ask", attempt=1, state="done", op="verify", verified=True))
        self._post(ServiceAdvancing(service="web", on=False))


async def test_a_run_does_not_end_between_an_answer_and_its_hearing(tmp_path: Path) -> None:
    world = Late(load_plan(written(tmp_path, PLAN)))
    orders = Orders(settle=0.0, answers={"web/ask": "done"})
    async with asyncio.timeout(30):
        await Headless(world, world, SystemClock(), orders).run()  # type: ignore[arg-type]
    assert world.story == ["heard", "end"]
