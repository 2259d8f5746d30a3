"""The life of one step: probe, capture, intent, apply, outcome, verify; and the way back.

What is durable before what: the intent is on disk before anything is touched, the outcome before it is built on, and a tick
only follows a verification. Nothing here retries, and nothing is undone by an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from cockpit import events as ev
from cockpit.clock import Clock
from cockpit.engine.ledger import JournalBroken, Ledger
from cockpit.engine.pen import Pen
from cockpit.engine.ports import Call, Hands, Outcome
from cockpit.engine.rules import condition_holds
from cockpit.plan.model import Manual, Op, Step
from cockpit.plan.script import manual_text
from cockpit.state import Before, StepView

Halt = Literal["panic", "a hold"]

LOOK = 0.5
"""Seconds after which a wait looks whether other work is wanted."""

AS_IT_WAS: frozenset[str] = frozenset({"failed", "undo_failed", "blocked", "skipped"})
"""What a step is again when an undo of it did not begin: a verification has no say in these."""


class Life:
    """Carries single steps forward and back through the ledger, with the hands it is given."""

    def __init__(
        self, ledger: Ledger, hands: Hands, clock: Clock, wanted: Callable[[str], bool] = lambda service: False
    ) -> None:
        """`wanted` tells whether other work on a service waits for the one that is under way."""
        self._wanted = wanted
        self._again: set[str] = set()
        """Steps whose wait is to look again now."""
        self._ledger = ledger
        self._hands = hands
        self._clock = clock
        self._halting: list[Halt] = []
        """Holds and panics that are on their way to the disk."""

    @contextmanager
    def halting(self, by: Halt) -> Iterator[None]:
        """While a hold or a panic is being written down: from here on nothing is begun, though the state does not say so yet."""
        self._halting.append(by)
        try:
            yield
        finally:
            self._halting.remove(by)

    @property
    def halted(self) -> Halt | Literal[""]:
        """What stops everything that has not begun to act, '' when nothing does. An intent that is written right behind this
        stands before the hold in the journal, or is not written."""
        state = self._ledger.state
        if state.panicked or "panic" in self._halting:
            return "panic"
        return "a hold" if self._halting or state.holds else ""

    # --- forward -------------------------------------------------------------------------------------------------

    async def forward(self, planned: Step, actor: str) -> None:
        """Run a step from its probe to its tick; nothing, where a hold came first. Raises JournalBroken only."""
        if self.halted:
            return
        pen = Pen(self._ledger, self._clock, planned, self._attempt(planned), actor)
        plan = self._ledger.state.plan
        if plan is not None and not condition_holds(plan, planned):
            reason = planned.when.reason if planned.when is not None else ""
            await pen.move("skipped", detail=reason or "its condition does not hold for this service")
            return
        await pen.move("running", op="probe")
        probed = await self._act(pen, "probe")
        match probed.verdict:
            case "ok":
                await self._confirm(pen, already=True, detail=probed.detail)
                return
            case "unknown":
                await pen.move("unknown", op="probe", detail=probed.detail or "the host could not be asked")
                return
            case "failed":
                detail = f"{probed.detail or 'the probe failed'}; {self._untouched(planned)}"
                await pen.move("failed", op="probe", detail=detail)
                return
        if not await self._capture(pen):
            return
        if self.halted:
            detail = f"{self.halted} came before it acted; {self._untouched(planned)}"
            await pen.move("blocked", op="capture", detail=detail)
            return
        await self._intend(pen, "apply")
        if isinstance(planned.action, Manual):
            await pen.move("waiting", op="apply", detail=manual_text(planned.action))
        await self._applied(pen, await self._act(pen, "apply"))

    async def _capture(self, pen: Pen) -> bool:
        """Have on disk what undo needs; False when the step ends here.

        What was captured before the first apply stays: a second attempt must not capture its own doing. A recipe whose capture
        refuses what its own broken off apply left goes on with that, and its words are told. A copy's capture also sets aside
        and judges, each time anew."""
        planned = pen.step
        before = self._view(planned)
        first = before.begun and planned.kind == "shell"
        captured = await self._act(pen, "capture")
        if captured.verdict not in {"ok", "nothing"}:
            why = captured.detail or "what undo needs could not be written down"
            if captured.verdict == "unknown" or not first:
                state: ev.StepState = "unknown" if captured.verdict == "unknown" else "failed"
                await pen.move(state, op="capture", detail=f"{why}; {self._untouched(planned)}")
                return False
            told = f"gone on with what was captured before the first apply: {why}"
            self._ledger.trouble(told, f"{planned.ref} capture")
            await pen.write(
                ev.StepOutput(ref=planned.ref, attempt=pen.attempt, op="capture", stream="err", lines=(told,))
            )
        # How far a log is was asked anew: a line of an earlier attempt proves nothing.
        marks = {f"log{index}" for index in range(len(planned.verify_log))}
        found = {name: value for name, value in captured.captured.items() if name in marks or not first}
        kept = found | {name: value for name, value in before.captured.items() if name not in marks}
        if kept:
            await pen.write(ev.StepCaptured(ref=planned.ref, attempt=pen.attempt, captured=kept))
        return True

    async def _applied(self, pen: Pen, outcome: Outcome) -> None:
        await self._outcome(pen, "apply", outcome)
        match outcome.verdict:
            case "ok" | "nothing":
                await self._confirm(pen, already=False, detail=outcome.detail)
            case "unknown":
                await pen.move("unknown", op="apply", detail=outcome.detail or "we lost sight of it")
            case _:
                await pen.move("failed", op="apply", detail=self._impact(pen.step, outcome))

    async def _confirm(self, pen: Pen, *, already: bool, detail: str, besides: str = "") -> None:
        """Verify what is applied or so already. `besides` is told whatever comes of it."""
        verified = await self._verified(pen)
        if verified.verdict == "ok":
            said = _joined(verified.detail or detail, besides)
            await pen.move("already" if already else "done", op="verify", detail=said, verified=True)
            return
        why = {
            "no": "applied, but what a user would see does not hold",
            "unknown": "applied, but it could not be confirmed",
            "nothing": "there is no verification to confirm it",
            "wait": "applied, and the wait for it was broken off",
        }.get(verified.verdict, "the verification failed")
        if already:
            why = why.replace("applied", "the probe says it is already so")
        said = _joined(f"{why}: {verified.detail}".rstrip(": "), besides)
        await pen.move("unverified", op="verify", detail=said)

    async def _verified(self, pen: Pen) -> Outcome:
        """Verify, waiting where only time can tell. What the hands found by then is on disk, so that a crash makes no wait
        shorter. Other work on the service breaks the wait off: an abort, an undo, or a skip of what was so before."""
        while True:
            await pen.move("verifying", op="verify")
            verified = await self._act(pen, "verify")
            if verified.verdict != "wait":
                return verified
            if verified.captured and verified.captured != self._view(pen.step).captured:
                captured = ev.StepCaptured(ref=pen.step.ref, attempt=pen.attempt, captured=verified.captured)
                await pen.write(captured)
            await pen.move("waiting", op="verify", detail=verified.detail, until=verified.until)
            left = LOOK
            while left > 0 and pen.step.ref not in self._again:
                if self._wanted(pen.step.service):
                    return verified
                await self._clock.sleep(min(left, LOOK))
                left = verified.until - self._clock.utc()
            self._again.discard(pen.step.ref)
            if self._wanted(pen.step.service):
                return verified

    def look_again(self, ref: str) -> None:
        """Have a step that waits verified now instead of when its time has come."""
        self._again.add(ref)

    # --- back ----------------------------------------------------------------------------------------------------

    async def backward(self, planned: Step, actor: str) -> bool:
        """Take a step back and verify that. What has no undo is passed over and said so. False where a hold came first, and
        nothing was taken back. Raises JournalBroken only."""
        if self.halted:
            return False
        pen = Pen(self._ledger, self._clock, planned, self._attempt(planned), actor)
        if not planned.undoable:
            await pen.move("undone", op="undo", detail="it has no undo: what it did stays as it is")
            return True
        await pen.move("undoing", op="undo")
        if self.halted:
            await self._not_taken_back(pen)
            return False
        await self._intend(pen, "undo")
        await self._taken_back(pen, await self._act(pen, "undo"))
        return True

    async def _not_taken_back(self, pen: Pen) -> None:
        """An undo ends before its intent: what failed has failed still, and what is to hold is looked at."""
        before = self._view(pen.step).before or Before(state="unverified")
        why = f"{self.halted} came before the undo began" if self.halted else "interrupted before the undo began"
        if before.state in AS_IT_WAS:
            await pen.move(before.state, op=before.op, detail=_joined(before.detail, why))
        else:
            await self._confirm(pen, already=before.state == "already", detail="", besides=why)

    async def _taken_back(self, pen: Pen, outcome: Outcome) -> None:
        await self._outcome(pen, "undo", outcome)
        if outcome.verdict == "unknown":
            await pen.move("unknown", op="undo", detail=outcome.detail or "we lost sight of the undo")
        elif outcome.verdict in {"ok", "nothing"}:
            await self._confirm_undo(pen, outcome)
        else:
            await pen.move("undo_failed", op="undo", detail=outcome.detail or "the undo failed")

    async def _confirm_undo(self, pen: Pen, outcome: Outcome) -> None:
        if outcome.verdict == "nothing":
            await pen.move("undone", op="undo", detail=outcome.detail or "it left nothing to take back")
            return
        verified = await self._act(pen, "verify_undo")
        if verified.verdict == "nothing":
            # Without a verification of its own the probe is the other path: the state must be gone.
            probed = await self._act(pen, "probe")
            verdict = {"no": "ok", "ok": "no"}.get(probed.verdict, "unknown")
            detail = probed.detail
        else:
            verdict, detail = verified.verdict, verified.detail
        if verdict == "ok":
            await pen.move("undone", op="verify_undo", detail=detail, verified=True)
        else:
            why = (
                "undone, but the old state is not back"
                if verdict == "no"
                else "undone, but that could not be confirmed"
            )
            await pen.move("undo_failed", op="verify_undo", detail=f"{why}: {detail}".rstrip(": "))

    # --- looking again -------------------------------------------------------------------------------------------

    async def verify(self, planned: Step, actor: str) -> None:
        """Verify again: a done step that no longer holds is drifted; an unknown one is looked up on its host."""
        view = self._view(planned)
        pen = Pen(self._ledger, self._clock, planned, view.attempt, actor)
        if view.state == "unknown" and view.intended is not None:
            await self.recover(planned, actor)
            return
        was_done = view.state in {"done", "already", "drifted"}
        verified = await self._verified(pen)
        if verified.verdict == "ok":
            state: ev.StepState = "already" if view.state == "already" else "done"
            await pen.move(state, op="verify", detail=verified.detail or view.detail, verified=True)
        elif was_done and verified.verdict == "no":
            await pen.move("drifted", op="verify", detail=f"it was done and holds no longer: {verified.detail}")
        elif view.state in {"done", "already"}:
            # What could not be asked again is not disproved, but a tick must not stand on it either.
            await pen.move("unverified", op="verify", detail=f"it could not be confirmed again: {verified.detail}")
        else:
            await pen.move("unverified", op="verify", detail=verified.detail or "it could not be confirmed")

    async def recover(self, planned: Step, actor: str) -> None:
        """After a crash: find out what became of an intent without an outcome. Starts nothing on the host."""
        view = self._view(planned)
        pen = Pen(self._ledger, self._clock, planned, view.attempt, actor)
        if view.intended is None:
            await self._recover_between(pen, view)
            return
        op = view.intended
        if view.state != "unknown":
            await pen.move("unknown", op=op, detail="we went away between the intent and its outcome; asking the host")
        call = Call(step=planned, op=op, attempt=view.attempt, job=view.job, captured=view.captured, told=view.told)
        try:
            outcome = await self._hands.recall(call, self._ledger.post)
        except Exception as error:
            outcome = Outcome(verdict="unknown", detail=_sentence(error))
        if outcome.verdict == "nothing":
            await self._never_began(pen, op)
        elif outcome.verdict == "unknown":
            await pen.move("unknown", op=op, detail=outcome.detail or "the host cannot tell; decide what happened")
        elif op == "apply":
            await self._applied(pen, outcome)
        else:
            await self._taken_back(pen, outcome)

    async def _recover_between(self, pen: Pen, view: StepView) -> None:
        """No intent is open: either nothing was touched yet, or the outcome is known and the verification is missing."""
        if view.before is not None:
            await self._not_taken_back(pen)
        elif view.state == "undoing":
            if view.applied == "ok":
                await self._confirm_undo(pen, Outcome(verdict="ok"))
            else:
                await pen.move("undo_failed", op="undo", detail="the undo failed; we went away before we could say so")
        elif view.state == "verifying":
            await self._confirm(pen, already=view.applied != "ok", detail="")
        elif view.applied == "ok":
            await self._confirm(pen, already=False, detail="")
        elif view.applied == "failed":
            await pen.move("failed", op="apply", detail="it failed; we went away before we could say so")
        else:
            await pen.move("blocked", detail=f"interrupted before it acted; {self._untouched(pen.step)}")

    async def _never_began(self, pen: Pen, op: Op) -> None:
        """The host has no trace of the job. After an apply the probe says whether the state is there all the same; an undo is
        wanted still, whatever a probe of the new state says of the rest."""
        if op == "apply":
            probed = await self._act(pen, "probe")
            if probed.verdict == "ok":
                await self._applied(pen, Outcome(verdict="ok", detail=probed.detail))
            elif probed.verdict == "no" or pen.step.idempotent or pen.step.kind == "shell":
                # A job name is started at most once on a host, so running on under the same name is safe.
                failed = Outcome(verdict="failed", detail="it never began on the host")
                await self._outcome(pen, "apply", failed)
                await pen.move("blocked", detail="it never began on the host; nothing was changed")
            else:
                await pen.move("unknown", op=op, detail="the host has no trace of it; decide what happened")
        else:
            await self._outcome(pen, "undo", Outcome(verdict="failed", detail="the undo never began on the host"))
            await pen.move("undo_failed", op="undo", detail="the undo never began on the host; undo again")

    async def answered(self, planned: Step, detail: str, actor: str) -> None:
        """The owner of a manual step says that it is done. What the plan can observe or check is still looked at."""
        pen = Pen(self._ledger, self._clock, planned, self._view(planned).attempt, actor)
        await self._applied(pen, Outcome(verdict="ok", detail=detail))

    async def decide(self, planned: Step, applied: bool, reason: str, actor: str) -> None:
        """A person settles an unknown step. What they call applied is still verified."""
        view = self._view(planned)
        pen = Pen(self._ledger, self._clock, planned, view.attempt, actor)
        detail = f"{actor} says: {reason}"
        outcome = Outcome(verdict="ok" if applied else "failed", detail=detail)
        if view.intended == "undo":
            await self._taken_back(pen, outcome)
        else:
            await self._applied(pen, outcome)

    # --- parts ---------------------------------------------------------------------------------------------------

    def _view(self, planned: Step) -> StepView:
        return self._ledger.state.step(planned.ref)

    def _untouched(self, planned: Step) -> str:
        return "nothing more was changed" if self._view(planned).begun else "nothing was changed"

    def _attempt(self, planned: Step) -> int:
        """A step that was interrupted before it acted goes on under the same number, and so the same job name: should the
        first request reach the host late, the host starts the job once."""
        view = self._view(planned)
        return view.attempt if view.state == "blocked" and view.attempt else view.attempt + 1

    async def _intend(self, pen: Pen, op: Op) -> None:
        host = self._ledger.state.hosts.get(pen.step.host)
        await pen.write(
            ev.StepIntended(
                ref=pen.step.ref,
                attempt=pen.attempt,
                op=op,
                job=pen.job(op, self._ledger.state.run),
                host=pen.step.host,
                identity=host.identity if host is not None else "",
            )
        )

    async def _outcome(self, pen: Pen, op: Op, outcome: Outcome) -> None:
        known = {"ok": "ok", "nothing": "ok", "unknown": "unknown"}
        verdict = known.get(outcome.verdict, "failed")
        await pen.write(
            ev.StepApplied(
                ref=pen.step.ref,
                attempt=pen.attempt,
                op=op,
                outcome="ok" if verdict == "ok" else "unknown" if verdict == "unknown" else "failed",
                exit=outcome.exit,
                detail=outcome.detail,
                took=pen.took(),
            )
        )

    async def _act(self, pen: Pen, op: Op) -> Outcome:
        view = self._view(pen.step)
        call = Call(
            step=pen.step,
            op=op,
            attempt=pen.attempt,
            job=pen.job(op, self._ledger.state.run),
            captured=view.captured,
        )
        try:
            return await self._hands.act(call, self._ledger.post)
        except JournalBroken:
            raise
        except Exception as error:
            # Hands do not raise for what the world does; what raises all the same leaves the outcome in doubt.
            self._ledger.trouble(_sentence(error), f"{pen.step.ref} {op}")
            return Outcome(verdict="unknown", detail=_sentence(error))

    def _impact(self, planned: Step, outcome: Outcome) -> str:
        plan = self._ledger.state.plan
        detail = outcome.detail or "apply failed"
        if plan is None or "switch" not in plan.phases or planned.phase not in plan.phases:
            return detail
        frozen = plan.phases.index("freeze") if "freeze" in plan.phases else plan.phases.index("switch")
        if plan.phases.index(planned.phase) < frozen:
            return f"{detail} (no user impact: nothing has been switched)"
        return detail


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _joined(said: str, besides: str) -> str:
    """Both, and what is told besides once only."""
    if not said or not besides or said == besides or said.endswith(f"; {besides}"):
        return said or besides
    return f"{said}; {besides}"
