"""A stateful test: random intents, failures and crashes, and what must never be seen whatever happens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cockpit import intents as it
from cockpit.events import (
    GateOpened,
    IntentTaken,
    RunHeld,
    RunReleased,
    StepApplied,
    StepIntended,
    StepMoved,
    WheelLost,
    WheelTaken,
    Who,
    WriterSeen,
)
from cockpit.reduce import fold, reduce
from cockpit.state import TICKED, RunState
from tests.engine.world import Rig, small_plan

T = TypeVar("T")

SERVICES = st.sampled_from(["s0", "s1"])
REFS = st.sampled_from([step.ref for service in small_plan(loose=True).services for step in service.steps])
OPS = st.sampled_from(["probe", "capture", "apply", "verify", "undo", "verify_undo", "recall"])
VERDICTS = st.sampled_from(["ok", "no", "failed", "unknown", "nothing", "raises", ""])


class Cutover(RuleBasedStateMachine):
    """One run of the small plan under everything that a night can bring."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.rig = Rig(small_plan(loose=True))
        self.do(self.rig.start())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.do(self.rig.kill())
        self.runner.close()

    def send(self, intent: it.Intent, settle: bool) -> None:
        self.do(self.rig.submit(intent))
        if settle:
            self.do(self.rig.settle())

    @rule(service=SERVICES, settle=st.booleans())
    def next(self, service: str, settle: bool) -> None:
        self.send(it.RunNext(service=service), settle)

    @rule(ref=REFS, settle=st.booleans())
    def run_step(self, ref: str, settle: bool) -> None:
        self.send(it.RunStep(ref=ref), settle)

    @rule(service=st.sampled_from(["", "s0", "s1"]), settle=st.booleans())
    def run_to_gate(self, service: str, settle: bool) -> None:
        self.send(it.RunToGate(service=service), settle)

    @rule(ref=REFS, settle=st.booleans())
    def verify(self, ref: str, settle: bool) -> None:
        self.send(it.Verify(ref=ref), settle)

    @rule(service=SERVICES, typed=st.booleans(), settle=st.booleans())
    def undo(self, service: str, typed: bool, settle: bool) -> None:
        self.send(it.Undo(service=service, typed=service if typed else ""), settle)

    @rule(ref=REFS, reason=st.sampled_from(["", "not needed here"]))
    def skip(self, ref: str, reason: str) -> None:
        self.send(it.Skip(ref=ref, reason=reason), False)

    @rule(ref=REFS, applied=st.booleans())
    def decide(self, ref: str, applied: bool) -> None:
        """A person who looked says what is true."""
        view = self.rig.state.step(ref)
        holds = ref in self.rig.world.holds
        truth = holds if view.intended == "apply" else not holds
        self.send(it.Decide(ref=ref, applied=truth, reason="I looked"), True)

    @rule(service=st.sampled_from(["", "s0", "s1"]), settle=st.booleans())
    def abort(self, service: str, settle: bool) -> None:
        self.send(it.Abort(service=service, typed=service or "all"), settle)

    @rule(intent=st.sampled_from([it.Pause(), it.Continue(), it.Panic()]))
    def whole(self, intent: it.Intent) -> None:
        self.send(intent, False)

    @rule(typed=st.sampled_from(["pilot-good", "y", ""]), override=st.sampled_from(["", "the customer insists"]))
    def open_gate(self, typed: str, override: str) -> None:
        self.send(it.OpenGate(gate="pilot-good", typed=typed, override=override), False)

    @rule()
    def close_gate(self) -> None:
        self.send(it.CloseGate(gate="pilot-good"), False)

    @rule(writer=st.sampled_from(["old", "new", "none", "both"]), age=st.integers(0, 60))
    def probe(self, writer: str, age: int) -> None:
        self.do(self.rig.ledger.write(WriterSeen(service="s0", writer=writer, writes=age % 3), "probe"))  # type: ignore[arg-type]
        self.rig.clock.now += age

    @rule(ref=REFS, op=OPS, verdict=VERDICTS)
    def world_turns(self, ref: str, op: str, verdict: str) -> None:
        if verdict in {"ok", "nothing"} and op not in {"probe", "verify"}:
            verdict = ""
        if verdict == "ok":
            verdict = ""
        self.rig.world.failing[(ref, op)] = verdict

    @rule()
    def world_heals(self) -> None:
        self.rig.world.failing.clear()
        self.do(self.rig.submit(it.Continue()))
        self.do(self.rig.ledger.write(WheelTaken(driver="ann"), "ann"))

    @rule(service=SERVICES, far=st.integers(1, 5))
    def a_quiet_hour(self, service: str, far: int) -> None:
        """Nothing goes wrong for a while, so that runs get far enough to break late."""
        self.world_heals()
        for _ in range(far):
            self.send(it.RunNext(service=service), True)

    @rule(service=SERVICES, settle=st.booleans())
    def out_of_turn(self, service: str, settle: bool) -> None:
        """Somebody wants the switch first."""
        self.world_heals()
        self.send(it.RunNext(service=service), True)
        self.send(it.RunStep(ref=f"{service}/switch"), settle)

    @rule(ref=REFS)
    def world_drifts(self, ref: str) -> None:
        step = small_plan(loose=True).step(ref)
        if not step.opens and not step.closes:
            self.rig.world.holds.discard(ref)

    @rule()
    def the_screen_dies(self) -> None:
        self.do(self.rig.ledger.write(WheelLost(driver="tom"), "conductor"))

    @rule()
    def somebody_takes_the_wheel(self) -> None:
        self.do(self.rig.ledger.write(WheelTaken(driver="ann"), "ann"))

    @rule(after=st.integers(1, 12), service=SERVICES, settle=st.booleans())
    def crash(self, after: int, service: str, settle: bool) -> None:
        """SIGKILL some events from now, in the middle of whatever runs."""
        self.rig.journal.limit = len(self.rig.journal.lines) + after
        self.do(self.rig.submit(it.RunToGate(service=service)))
        self.do(self.rig.settle())
        self.do(self.rig.kill())
        self.do(self.rig.start())
        if settle:
            self.do(self.rig.settle())

    @rule(who=st.sampled_from(["bob", "eve"]), service=SERVICES, settle=st.booleans(), goes_on=st.booleans())
    def hold(self, who: str, service: str, settle: bool, goes_on: bool) -> None:
        """Somebody who watches holds, often while a service goes on by itself."""
        if goes_on:
            self.send(it.RunToGate(service=service), False)
        refusal = self.do(self.rig.engine.submit(it.Hold(reason="I see errors"), who, Who(screen=3, name=who)))
        assert refusal == "" or self.rig.state.ended or who in {hold.by for hold in self.rig.state.holds}
        if settle:
            self.do(self.rig.settle())

    @rule(last=st.booleans(), right=st.booleans(), settle=st.booleans())
    def release(self, last: bool, right: bool, settle: bool) -> None:
        """The driver releases one of the holds, by the name of who holds or by another one."""
        holds = self.rig.state.holds
        if not holds:
            return
        hold = holds[-1 if last else 0]
        refusal = self.do(self.rig.submit(it.Release(hold=hold.seq, typed=hold.name if right else "nobody")))
        assert (refusal == "") == (hold not in self.rig.state.holds)
        assert right or refusal
        if settle:
            self.do(self.rig.settle())

    # --- what must never be seen ---------------------------------------------------------------------------------

    @invariant()
    def never_two_writers(self) -> None:
        assert not self.rig.world.two_writers

    @invariant()
    def nothing_starts_while_the_run_is_held(self) -> None:
        """Neither a step nor an undo nor a gate; what had begun to act goes on, and so does verifying."""
        held: set[int] = set()
        for record in self.rig.journal.records():
            match record.event:
                case RunHeld():
                    held.add(record.seq)
                case RunReleased(hold=hold):
                    held.discard(hold)
                case StepIntended(ref=ref, op=op):
                    assert not held, f"{op} of {ref} began while the run was held (event {record.seq})"
                case StepMoved(ref=ref, state="running" | "undoing" as word):
                    assert not held, f"{ref} was {word} while the run was held (event {record.seq})"
                case GateOpened(gate=gate):
                    assert not held, f"gate {gate} was opened while the run was held (event {record.seq})"
                case _:
                    pass
        assert {hold.seq for hold in self.rig.state.holds} == held

    @invariant()
    def no_step_ran_before_what_it_needs(self) -> None:
        plan = small_plan(loose=True)
        for op, ref, state in self.rig.world.trace:
            if op == "apply":
                for need in plan.step(ref).needs:
                    assert state.step(need.step).state in TICKED, f"{ref} ran while {need.step} was not ticked"

    @invariant()
    def what_was_not_done_again_by_itself(self) -> None:
        """The journal never shows an act without its intent, and an act begins only from a settled state."""
        open_intents: dict[str, StepIntended] = {}
        for record in self.rig.journal.records():
            match record.event:
                case StepIntended() as event:
                    assert event.ref not in open_intents, f"{event.ref} was begun while its outcome was not known"
                    open_intents[event.ref] = event
                case StepApplied() as event:
                    if event.outcome != "unknown":
                        open_intents.pop(event.ref, None)

    @invariant()
    def no_tick_without_verification(self) -> None:
        for record in self.rig.journal.records():
            if isinstance(record.event, StepMoved) and record.event.state in {"done", "already"}:
                assert record.event.verified

    @invariant()
    def no_undo_out_of_order(self) -> None:
        state = RunState()
        for record in self.rig.journal.records():
            event = record.event
            if isinstance(event, StepIntended) and event.op == "undo":
                history = state.services[event.ref.partition("/")[0]].history
                assert history[-1] == event.ref, f"{event.ref} was undone before {history[-1]}"
            state = reduce(state, record)

    @invariant()
    def no_gate_opened_by_anything_but_its_name(self) -> None:
        asked = ""
        for record in self.rig.journal.records():
            match record.event:
                case IntentTaken(intent=intent):
                    asked = intent
                case GateOpened():
                    assert '"open-gate"' in asked
                    assert '"typed":"pilot-good"' in asked
                case _:
                    pass

    @invariant()
    def the_state_is_what_the_journal_says(self) -> None:
        assert fold(self.rig.journal.records()) == self.rig.state


Cutover.TestCase.settings = settings(
    max_examples=int(os.environ.get("COCKPIT_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCutover = Cutover.TestCase
