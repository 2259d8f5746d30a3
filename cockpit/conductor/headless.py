"""A driver without a screen: every service to its end, gates by name, progress on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

import msgspec

from cockpit import events as ev
from cockpit import intents as it
from cockpit.accounts import account_of
from cockpit.clock import Clock
from cockpit.conductor.roster import AUTOPILOT, login_of
from cockpit.engine import answering, rules
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.plan.model import Gate, Plan
from cockpit.progress import DRIVER, progress_line
from cockpit.state import BUSY, SETTLED, RunState, StepView


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a headless run may do: the gates it opens (`all` for every one), what people have answered by ref, and how long it
    waits, seconds."""

    gates: frozenset[str] = frozenset()
    answers: dict[str, str] = {}
    first: tuple[it.AnyIntent, ...] = ()
    """What is asked for before anything goes on by itself."""
    evidence_wait: float = 60.0
    second_wait: float = 900.0
    """Seconds for which a gate waits for its second person, who is asked again each time the question is over."""
    link_wait: float = 120.0
    """Seconds for which a host may be away while nothing else can run."""
    settle: float = 4.0


class WrongOrder(Exception):
    """What was ordered does not fit the plan; the sentence says why."""


def who() -> ev.Who:
    """The driver of a headless run, as the second person of a gate is compared with it."""
    me, pid = os.getuid(), os.getpid()
    return ev.Who(screen=AUTOPILOT, name=DRIVER, account=account_of(me), uid=me, pid=pid, login=login_of(pid))


def answers(plan: Plan, given: list[str]) -> dict[str, str]:
    """`STEP=ANSWER` texts by ref. Raises WrongOrder."""
    try:
        return answering.orders(plan, given)
    except ValueError as error:
        raise WrongOrder(str(error)) from None


class Progress:
    """Writes one line for each step that ended, and for gates and trouble."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out

    def observe(self, record: ev.Record) -> None:
        """Tell of a record that a person would want to see go by."""
        line = progress_line(record)
        if line:
            # A terminal that has gone must not take the run with it.
            with contextlib.suppress(OSError, ValueError):
                print(line, file=self._out, flush=True)


class Headless:
    """Drives an engine by intents alone, as a person would."""

    def __init__(self, ledger: Ledger, engine: Engine, clock: Clock, orders: Orders) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._orders = orders
        self._answers = dict(orders.answers)
        self._gone = ""
        """Hosts that have been away for too long."""
        self._waited = False
        """Somebody drove or held the run since we last set out to bring all of it further."""

    @property
    def state(self) -> RunState:
        """The run as it is now, verdict and exit status included once it has ended."""
        return self._ledger.state

    async def run(self) -> None:
        """Take the wheel, go on until nothing more can run, end the run. The state then holds verdict and exit status."""
        taken = ev.WheelTaken(driver=DRIVER, uid=os.getuid(), pid=os.getpid(), screen=AUTOPILOT)
        await self._ledger.write(taken, DRIVER)
        for intent in self._orders.first:
            await self._quiet()
            await self._submit(intent)
        while not self.state.ended:
            self._waited = False
            await self._go_on()
            # The probes see the end a moment after it: their last look belongs to the summary.
            await self._clock.sleep(self._orders.settle)
            await self._ours()
            # What somebody did who drove meanwhile, or what was held, may let more of it run.
            if not self._waited and not await self._submit(it.End()):
                return

    async def _go_on(self) -> None:
        """Everything that can run, gates and answers as ordered, until nothing more can or the run has ended."""
        while not self.state.ended:
            await self._quiet()
            await self._ask_again()
            await self._submit(it.RunToGate())
            await self._quiet()
            if self._gone:
                self._ledger.trouble(
                    f"{self._gone} has been away for {self._orders.link_wait:.0f} s: the run ends here"
                )
                return
            if await self._answer():
                continue
            if self._complete() or self._in_doubt() or not await self._open_a_gate():
                return

    async def _submit(self, intent: it.AnyIntent) -> str:
        """Ask the engine, once the wheel is ours. The refusal."""
        await self._ours()
        return await self._engine.submit(intent, DRIVER, who()) if not self.state.ended else "the run has ended"

    async def _ours(self) -> None:
        """Wait until the run drives itself and nobody holds it, or was ended by somebody who drove."""
        while not self.state.ended and (self.state.driver_screen != AUTOPILOT or self.state.holds):
            self._waited = True
            await self._clock.sleep(0.05)

    async def _ask_again(self) -> None:
        for view in self._views():
            if view.state == "unknown" and view.intended is not None:
                await self._submit(it.Verify(ref=view.ref))
                await self._quiet()

    async def _answer(self) -> bool:
        """Give one of the answers that we were told. False when none of them is asked for."""
        for ref in answering.asked(self.state):
            text = self._answers.pop(ref, "")
            if text:
                refused = await self._submit(answering.order(self.state.planned(ref), text))
                if not refused:
                    # Until it is heard, the step seems to wait for somebody who has not answered.
                    await self._until(lambda ref=ref: ref not in answering.asked(self.state))  # type: ignore[misc]
                return not refused
        return False

    async def _quiet(self) -> None:
        """Until no step runs and no service goes on by itself, or people alone can bring it further."""
        await self._until(
            lambda: (
                (
                    not any(service.advancing for service in self.state.services.values())
                    and not any(view.state in BUSY for view in self._views())
                    and not self._engine.busy
                )
                or any(ref in self._answers for ref in answering.asked(self.state))
                or answering.only_people(self.state, self._clock.utc())
            )
        )

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds() and not self._gone:
            await self._clock.sleep(0.05)
            if not self._engine.busy:
                long_ago = self._clock.utc() - self._orders.link_wait
                away = [id for id, host in self.state.hosts.items() if host.link != "up" and 0 < host.since < long_ago]
                self._gone = ", ".join(away)

    def _views(self) -> list[StepView]:
        return [view for service in self.state.services.values() for view in service.steps.values()]

    def _complete(self) -> bool:
        return all(rules.complete(self.state, service) for service in self.state.services)

    def _in_doubt(self) -> bool:
        return any(view.state in rules.STOPS_ADVANCE for view in self._views())

    async def _open_a_gate(self) -> bool:
        """Open the first closed gate that we may open and whose evidence holds. False when there is none."""
        plan = self.state.plan
        if plan is None:
            return False
        allowed = [
            gate
            for gate in plan.gates
            if gate.kind == "human"
            and not self.state.gates[gate.id].open
            and ("all" in self._orders.gates or gate.id in self._orders.gates)
            # Nothing runs any more that could settle what it comes after.
            and all(self.state.step(ref).state in SETTLED for ref in gate.after)
        ]
        until = self._clock.monotonic() + self._orders.evidence_wait
        while allowed:
            for gate in allowed:
                if rules.gate_readiness(self.state, gate.id, self._clock.utc()).ok:
                    if gate.second:
                        return await self._with_second(gate)
                    return not await self._submit(it.OpenGate(gate=gate.id, typed=gate.typed))
            if self._clock.monotonic() > until:
                return False
            await self._clock.sleep(0.1)
        return False

    async def _with_second(self, gate: Gate) -> bool:
        """Ask for the second person until somebody confirms. False when nobody did in time, or somebody said no."""
        until = self._clock.monotonic() + self._orders.second_wait
        began = self.state.seq
        while self._clock.monotonic() < until and not self.state.ended:
            view = self.state.gates[gate.id]
            if view.open:
                return True
            if view.declined > began:
                return False
            if view.asked is None:
                ready = rules.gate_readiness(self.state, gate.id, self._clock.utc()).ok
                if ready and await self._submit(it.OpenGate(gate=gate.id, typed=gate.typed)):
                    return False
            await self._clock.sleep(0.1)
        if self.state.gates[gate.id].asked is not None:
            await self._submit(it.CloseGate(gate=gate.id))
        return self.state.gates[gate.id].open
