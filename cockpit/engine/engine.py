"""The engine: takes intents, refuses what must not happen, runs the lives of steps, advances services, recovers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import msgspec

from cockpit import events as ev
from cockpit import intents as it
from cockpit.clock import Clock
from cockpit.engine import answering, rules, second
from cockpit.engine.desk import Desk
from cockpit.engine.ledger import JournalBroken, Ledger
from cockpit.engine.life import Halt, Life
from cockpit.engine.ports import Hands
from cockpit.engine.verdict import exit_status, verdict
from cockpit.plan.model import Step
from cockpit.state import BUSY, TICKED, RunState

MOST_AT_ONCE = 16
"""Steps that may run at the same time over all services; those that only wait are not counted."""

NOBODY = ev.Who()


class Engine:
    """One run. `submit` takes intents; `run` owns every task until it is cancelled or the run has ended."""

    def __init__(self, ledger: Ledger, hands: Hands, clock: Clock) -> None:
        self._ledger = ledger
        self._life = Life(ledger, hands, clock, self._others_want)
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, asyncio.Future[it.Answer]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._back: set[str] = set()
        """Services whose task takes steps back."""
        self._queued: Counter[str] = Counter()
        """Works that wait in a service for the one that is under way."""
        self.stranded = False
        """The driver has gone, and the journal could not take that yet."""
        self._deciding = asyncio.Lock()
        """Held from looking at what may start until it is started: what is asked for and what goes on by itself decide in
        turns."""

    @property
    def state(self) -> RunState:
        """The run as it is after the last event that was written."""
        return self._ledger.state

    @property
    def busy(self) -> bool:
        """Whether any step is being worked on."""
        return bool(self._tasks)

    @property
    def _desk(self) -> Desk:
        return Desk(
            state=self.state,
            now=self._clock.utc(),
            busy=frozenset(self._tasks),
            back=frozenset(self._back),
            yielding=frozenset(id for id in self._tasks if not self._queued[id] and self._only_waits(id)),
            waiting=frozenset(ref for ref, answer in self._answers.items() if not answer.done()),
            stranded=self.stranded,
            broken=bool(self._ledger.broken),
        )

    async def run(self) -> None:
        """Recover what a crash left open, then advance services as asked, until the run has ended."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._recover_open()
            while not (self.state.ended and not self._tasks):
                with contextlib.suppress(JournalBroken):
                    async with self._deciding:
                        await self._look_at_questions()
                        await self._advance()
                await self._ledger.changed()

    # --- intents -------------------------------------------------------------------------------------------------

    async def submit(self, intent: it.Intent, actor: str, who: ev.Who = NOBODY) -> str:
        """Take an intent. Returns '' when it was taken, otherwise the sentence that says why it was refused. `who` is how the
        kernel and the screen know the actor."""
        async with self._deciding:
            try:
                if self._ledger.broken:
                    await self._mend()
                    if isinstance(intent, it.Continue) and not (self.state.paused or self.state.panicked):
                        return ""
                encoded = msgspec.json.encode(intent).decode()
                refusal = await self._take(intent, encoded, actor, who)
                if refusal:
                    await self._ledger.write(ev.IntentRefused(intent=encoded, reason=refusal, who=who), actor)
                return refusal
            except JournalBroken as error:
                return str(error)

    async def _mend(self) -> None:
        """Try the journal again; what was being worked on when it broke is looked up like after a crash. Raises
        JournalBroken while it still takes nothing."""
        self._ledger.mend()
        told = ev.Trouble(message="the journal could not be written for a while; it takes events again")
        await self._ledger.write(told, "conductor")
        self._recover_open()

    def _recover_open(self) -> None:
        """Find out about every step that is under way, or was left in doubt, without anybody working on it."""
        attended = set(self._tasks)
        for service in self.state.services.values():
            for view in service.steps.values():
                open_ = view.state in BUSY or (view.state == "unknown" and view.intended is not None)
                if open_ and service.id not in attended:
                    self._start(service.id, self._recover(self.state.planned(view.ref)))

    async def _take(self, intent: it.Intent, encoded: str, actor: str, who: ev.Who) -> str:
        refusal = self._desk.refusal(intent, who)
        if refusal:
            return refusal
        with contextlib.ExitStack() as until_it_is_written:
            if isinstance(intent, it.Hold | it.Panic):
                by: Halt = "panic" if isinstance(intent, it.Panic) else "a hold"
                until_it_is_written.enter_context(self._life.halting(by))
            await self._ledger.write(ev.IntentTaken(intent=encoded, who=who), actor)
            await self._carry_out(intent, actor, who)
        return ""

    async def _carry_out(self, intent: it.Intent, actor: str, who: ev.Who) -> None:
        match intent:
            case it.RunNext():
                await self._run_next(intent.service, actor)
            case it.RunToGate():
                for service in [intent.service] if intent.service else self._desk.in_waves():
                    await self._ledger.write(ev.ServiceAdvancing(service=service, on=True), actor)
            case it.RunStep():
                planned = self.state.planned(intent.ref)
                self._start(planned.service, self._forward(planned, actor))
            case it.Verify():
                planned = self.state.planned(intent.ref)
                if planned.service in self._tasks:
                    self._life.look_again(planned.ref)
                else:
                    self._start(planned.service, self._life.verify(planned, actor))
            case it.Undo():
                await self._declare_loss(intent.service, actor)
                await self._stand_still(intent.service, "undo", actor)
                ref = rules.undo_target(self.state, intent.service)
                if ref is not None:
                    self._start(intent.service, self._undo(ref, actor), back=True)
            case it.Skip():
                service = intent.ref.partition("/")[0]
                if service in self._tasks:
                    self._start(service, self._skip(intent, actor))
                else:
                    await self._skip(intent, actor)
            case it.Answer():
                self._answers[intent.ref].set_result(intent)
            case it.Decide():
                planned = self.state.planned(intent.ref)
                self._start(planned.service, self._life.decide(planned, intent.applied, intent.reason, actor))
            case it.Limit():
                await self._ledger.write(ev.StepLimited(ref=intent.ref, rate=intent.rate), actor)
            case it.Pause():
                await self._ledger.write(ev.RunPaused(), actor)
            case it.Continue():
                await self._ledger.write(ev.RunContinued(), actor)
            case it.Panic():
                for service in self.state.services:
                    await self._stand_still(service, "panic", actor)
                await self._ledger.write(ev.RunPanicked(), actor)
            case it.Abort():
                for service in [intent.service] if intent.service else list(self.state.services):
                    await self._stand_still(service, "abort", actor)
                    if rules.safe_point(self.state, service) or service in self._tasks:
                        await self._declare_loss(service, actor)
                        self._start(service, self._abort(service, actor), back=True)
            case it.OpenGate():
                await self._open_gate(intent, actor, who)
            case it.Confirm():
                await self._confirm(intent.gate, actor, who)
            case it.Decline():
                said = f"{actor} says no: {intent.reason}"
                await self._ledger.write(ev.SecondOver(gate=intent.gate, reason=said, declined=True), actor)
            case it.CloseGate():
                if self.state.gates[intent.gate].open:
                    await self._ledger.write(ev.GateClosed(gate=intent.gate, reason=f"closed by {actor}"), actor)
                else:
                    await self._ledger.write(ev.SecondOver(gate=intent.gate, reason=f"taken back by {actor}"), actor)
            case it.Hold():
                await self._ledger.write(ev.RunHeld(by=actor, reason=intent.reason, who=who), actor)
            case it.Release():
                await self._ledger.write(ev.RunReleased(hold=intent.hold, by=actor), actor)
            case it.AddNote():
                await self._ledger.write(ev.Noted(text=intent.text, ref=intent.ref), actor)
            case it.End():
                await self._leave_unanswered()
                await self._ledger.write(ev.RunEnded(verdict=verdict(self.state), exit=exit_status(self.state)), actor)

    # --- gates ---------------------------------------------------------------------------------------------------

    async def _open_gate(self, intent: it.OpenGate, actor: str, who: ev.Who) -> None:
        """Open it; or, where it needs a second person and no reason was given to do without, ask for one."""
        gate, now = second.gate_of(self.state, intent.gate), self._clock.utc()
        found = rules.gate_readiness(self.state, intent.gate, now)
        alone = gate is not None and gate.second
        if gate is not None and gate.second and not intent.override.strip():
            shown = second.evidence(self.state, gate, now)
            asked = ev.SecondAsked(
                gate=gate.id,
                by=actor,
                who=who,
                plan=self.state.plan.hash if self.state.plan is not None else "",
                evidence=shown,
                digest=second.digest(self.state, gate, shown),
                until=now + second.STANDS,
                head=self._ledger.head,
            )
            await self._ledger.write(asked, actor)
            return
        opened = ev.GateOpened(
            gate=intent.gate,
            by=actor,
            override=intent.override if alone or not found.ok else "",
            evidence="" if found.ok else found.reason,
            head=self._ledger.head,
            alone=alone,
        )
        await self._ledger.write(opened, actor)

    async def _confirm(self, gate: str, actor: str, who: ev.Who) -> None:
        asked = self.state.gates[gate].asked
        if asked is not None:
            opened = ev.GateOpened(
                gate=gate, by=asked.by, second=actor, confirmed=who, digest=asked.digest, head=self._ledger.head
            )
            await self._ledger.write(opened, actor)

    async def _look_at_questions(self) -> None:
        """A question to a second person that does not stand any more is over: it took too long, or its evidence is another."""
        for id, view in self.state.gates.items():
            gate = second.gate_of(self.state, id) if view.asked is not None else None
            if gate is not None and view.asked is not None:
                reason = second.over(self.state, gate, view.asked, self._clock.utc())
                if reason:
                    await self._ledger.write(ev.SecondOver(gate=id, reason=reason), "conductor")

    # --- tasks ---------------------------------------------------------------------------------------------------

    def _start(self, service: str, work: Coroutine[Any, Any, None], back: bool = False) -> None:
        if self._group is None:
            work.close()
            raise RuntimeError("the engine is not running")
        if back:
            self._back.add(service)
        before = self._tasks.get(service)
        if before is not None:
            self._queued[service] += 1
        self._tasks[service] = self._group.create_task(self._guard(service, work, before), name=f"step of {service}")

    def _idles(self, service: str) -> bool:
        """Whether its step waits: for time, or for a person."""
        return any(view.state == "waiting" for view in self.state.services[service].steps.values())

    def _only_waits(self, service: str) -> bool:
        """Whether nothing but time goes by in the service."""
        return any(rules.waits_for_time(view) for view in self.state.services[service].steps.values())

    def _others_want(self, service: str) -> bool:
        """Whether work on the service is queued behind the one that asks."""
        return self._tasks.get(service) is not asyncio.current_task()

    async def _guard(self, service: str, work: Coroutine[Any, Any, None], before: asyncio.Task[None] | None) -> None:
        """One work at a time in a service: an abort waits for the step that runs."""
        try:
            if before is not None:
                try:
                    await asyncio.wait({before})
                finally:
                    self._queued[service] -= 1
            # What the ledger could not write it remembers; nothing goes on until the journal takes events again.
            with contextlib.suppress(JournalBroken):
                await work
        finally:
            work.close()
            if self._tasks.get(service) is asyncio.current_task():
                del self._tasks[service]
                self._back.discard(service)
            self._ledger.wake()

    async def _run_next(self, service: str, actor: str) -> None:
        for id in [service] if service else self._desk.in_waves():
            ref = rules.next_ref(self.state, id)
            if ref is not None and id not in self._tasks and self._desk.readiness(ref).ok:
                planned = self.state.planned(ref)
                self._start(id, self._forward(planned, actor))
                return

    async def _forward(self, planned: Step, actor: str) -> None:
        if planned.kind == "manual":
            await self._manual(planned, actor)
        else:
            await self._life.forward(planned, actor)

    async def _manual(self, planned: Step, actor: str) -> None:
        """Race the observation against a person's answer; whichever comes first settles the step."""
        answer: asyncio.Future[it.Answer] = asyncio.get_running_loop().create_future()
        self._answers[planned.ref] = answer
        watching = asyncio.create_task(self._life.forward(planned, actor))
        try:
            racing: set[asyncio.Future[Any]] = {answer, watching}
            await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
                return
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if answer.cancelled():
                return
            done, detail = answering.judged(planned, answer.result())
            if done:
                await self._life.answered(planned, detail, actor)
                return
            attempt = self.state.step(planned.ref).attempt
            await self._ledger.write(
                ev.StepApplied(ref=planned.ref, attempt=attempt, op="apply", outcome="failed", detail=detail), actor
            )
            await self._ledger.write(
                ev.StepMoved(ref=planned.ref, attempt=attempt, state="failed", op="apply", detail=detail), actor
            )
        finally:
            watching.cancel()
            self._answers.pop(planned.ref, None)

    async def _leave_unanswered(self) -> None:
        """The run ends while people are still asked: what nobody answered did not happen, and can be asked again."""
        for ref, answer in list(self._answers.items()):
            if not answer.done():
                attempt, detail = self.state.step(ref).attempt, "nobody has answered yet"
                left = ev.StepApplied(ref=ref, attempt=attempt, op="apply", outcome="failed", detail=detail)
                await self._ledger.write(left, "cockpit")
                await self._ledger.write(
                    ev.StepMoved(ref=ref, attempt=attempt, state="blocked", detail=detail), "cockpit"
                )
                answer.cancel()

    async def _undo(self, ref: str, actor: str) -> None:
        """Take a step back. Where its wait had to be broken off first, what was so then is looked at again."""
        planned = self.state.planned(ref)
        found = self._desk.undo_readiness(planned.service, allow_loss=True)
        target = rules.undo_target(self.state, planned.service)
        if target == ref and found.ok:
            if await self._life.backward(planned, actor):
                return
            found = rules.Readiness(False, f"{self._life.halted or 'a hold'} came first")
        why = found.reason if target == ref else f"{target} took effect after it"
        self._ledger.trouble(f"{ref} was not taken back: {why}", planned.service)

    async def _skip(self, intent: it.Skip, actor: str) -> None:
        view = self.state.step(intent.ref)
        if view.state not in TICKED:
            moved = ev.StepMoved(ref=intent.ref, attempt=view.attempt, state="skipped", detail=intent.reason)
            await self._ledger.write(moved, actor)

    async def _recover(self, planned: Step) -> None:
        await self._life.recover(planned, "cockpit")

    async def _stand_still(self, service: str, why: str, actor: str) -> None:
        if self.state.services[service].advancing:
            await self._ledger.write(ev.ServiceAdvancing(service=service, on=False, why=why), actor)

    async def _declare_loss(self, service: str, actor: str) -> None:
        found = rules.rollback(self.state, service)
        if found.quality == "loses":
            await self._ledger.write(ev.LossDeclared(service=service, writes=found.losses), actor)

    async def _abort(self, service: str, actor: str) -> None:
        """Take steps back, one after the other, to the safe point. A failed undo stops it."""
        while True:
            todo = rules.safe_point(self.state, service)
            target = rules.undo_target(self.state, service)
            if not todo or target is None or target not in todo:
                return
            found = self._desk.undo_readiness(service, allow_loss=True)
            if not found.ok and (found.waits or self._desk.others_go_back_first(target)):
                await self._clock.sleep(0.05)
                continue
            if not found.ok:
                self._ledger.trouble(f"abort of {service} stopped: {found.reason}", service)
                return
            if not await self._life.backward(self.state.planned(target), actor):
                await self._clock.sleep(0.05)
            elif self.state.step(target).state != "undone":
                return

    # --- going on by itself --------------------------------------------------------------------------------------

    async def _advance(self) -> None:
        """Start what may start in every advancing service; stop advancing where a person is needed."""
        for id in self._desk.in_waves():
            if not self.state.services[id].advancing or id in self._tasks:
                continue
            why = self._reason_to_stop(id)
            if why:
                await self._ledger.write(ev.ServiceAdvancing(service=id, on=False, why=why), "cockpit")
                continue
            ref = rules.next_ref(self.state, id)
            if ref is None or sum(not self._idles(one) for one in self._tasks) >= MOST_AT_ONCE:
                continue
            found = self._desk.readiness(ref)
            if found.ok and id not in self._tasks:
                actor = self.state.driver or "cockpit"
                self._start(id, self._forward(self.state.planned(ref), actor))

    def _reason_to_stop(self, service: str) -> str:
        ref = rules.next_ref(self.state, service)
        if ref is None:
            return "every step is ticked"
        stopped = next(
            (view for view in self.state.services[service].steps.values() if view.state in rules.STOPS_ADVANCE), None
        )
        if stopped is not None:
            return f"{stopped.ref} is {stopped.state}"
        if self.state.panicked or not self.state.driver:
            return "panic" if self.state.panicked else "nobody holds the wheel"
        found = self._desk.readiness(ref)
        if found.ok or found.waits:
            return ""
        if self._others_may_help(ref):
            return ""
        return found.reason

    def _others_may_help(self, ref: str) -> bool:
        """Whether what blocks the step is the work of another service that is still going on by itself."""
        for need in self.state.planned(ref).needs:
            home = need.step.partition("/")[0]
            if self.state.step(need.step).state not in {"done", "already", "skipped"}:
                return home != ref.partition("/")[0] and self.state.services[home].advancing
        return False
