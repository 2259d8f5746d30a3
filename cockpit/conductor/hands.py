"""One pair of hands for the engine: chooses who acts by the kind of step, and adds the verifications that the plan names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from cockpit.engine.ports import Call, Hands, Outcome, Say
from cockpit.events import StepProgress
from cockpit.journal.redaction import SecretChanged
from cockpit.plan.model import HttpCheck, Manual, ProbeCheck, WaitLog
from cockpit.plan.zones import RecordSet
from cockpit.text import harmless


class LogMarks(Protocol):
    """Positions in tailed logs, and waiting for a pattern behind one."""

    async def mark(self, host: str, file: str, unit: str = "") -> str:
        """Where a log ends now, as a word for `wait_for`. Raises Unreachable, also for a log that cannot be read."""
        ...

    async def wait_for(self, log: WaitLog, mark: str) -> tuple[bool, str]:
        """Wait for the pattern behind the mark, as long as the check allows: whether it came, and the line or why not."""
        ...


HttpChecker = Callable[[HttpCheck, str], Awaitable[tuple[bool, str]]]
"""Asks for a check on behalf of a service, whose hosts its vantages mean."""

ProbeChecker = Callable[[ProbeCheck, str], Awaitable[tuple[bool, str]]]
"""Asks a health probe of a service anew."""

Observer = Callable[[RecordSet, float, Callable[[float, str], None]], Awaitable[tuple[bool, str]]]
"""Looks whether every authority serves the new set, waiting up to so many seconds; tells how far it is."""


Guard = Callable[[Call], Awaitable[Outcome | None]]
"""Looks at the hosts of an op before it begins; an outcome ends it there."""


class ConductorHands:
    """Delegates to the hands of each kind. `verify` is the action's own verification and each check of the plan."""

    def __init__(
        self,
        kinds: Mapping[str, Hands],
        http: HttpChecker,
        logs: LogMarks,
        guard: Guard,
        restored: Callable[[Mapping[str, str]], dict[str, str]] = dict,
        probes: ProbeChecker | None = None,
    ) -> None:
        self._kinds = kinds
        self._guard = guard
        self._restored = restored
        """Makes what the journal holds of captured values what they were, secrets included."""
        self._http = http
        self._logs = logs
        self._probes = probes

    async def act(self, call: Call, say: Say) -> Outcome:
        try:
            call = msgspec.structs.replace(call, captured=self._restored(call.captured))
        except SecretChanged as error:
            return Outcome(verdict="failed" if call.op in {"apply", "undo"} else "unknown", detail=str(error))
        hands = self._kinds[call.step.kind]
        refused = await self._guard(call)
        if refused is not None:
            return refused
        if call.op == "capture":
            outcome = await hands.act(call, say)
            return await self._marked(call, outcome)
        if call.op == "verify":
            return await self._verified(call, say)
        return await hands.act(call, say)

    async def recall(self, call: Call, say: Say) -> Outcome:
        return await self._kinds[call.step.kind].recall(call, say)

    async def _marked(self, call: Call, outcome: Outcome) -> Outcome:
        """Note how far each watched log is, before the act: the pattern counts only behind that. A capture that was refused
        may be gone over, when an earlier one stands."""
        if outcome.verdict == "unknown" or not call.step.verify_log:
            return outcome
        marks: dict[str, str] = {}
        for index, log in enumerate(call.step.verify_log):
            try:
                marks[f"log{index}"] = await self._logs.mark(log.host, log.file, log.unit)
            except Exception as error:
                why = f"{log.host}:{log.name} cannot be read: {error}"
                return Outcome(verdict="unknown", detail="; ".join(text for text in (outcome.detail, why) if text))
        verdict = "ok" if outcome.verdict == "nothing" else outcome.verdict
        return msgspec.structs.replace(outcome, verdict=verdict, captured={**outcome.captured, **marks})

    async def _verified(self, call: Call, say: Say) -> Outcome:
        own = await self._kinds[call.step.kind].act(call, say)
        if own.verdict not in {"ok", "nothing"}:
            return own
        said = [own.detail] if own.verdict == "ok" and own.detail else []
        verdict = own.verdict
        for check in call.step.verify_http:
            ok, detail = await self._http(check, call.step.service)
            if not ok:
                return Outcome(verdict="no", detail=detail)
            verdict = "ok"
            said.append(detail)
        for named in call.step.verify_probe:
            if self._probes is None:
                return Outcome(verdict="unknown", detail=f"nobody asks health probe {named.probe}")
            ok, detail = await self._probes(named, call.step.service)
            if not ok:
                return Outcome(verdict="no", detail=detail)
            verdict = "ok"
            said.append(detail)
        for index, log in enumerate(call.step.verify_log):
            ok, detail = await self._logs.wait_for(log, call.captured.get(f"log{index}", ""))
            if not ok:
                return Outcome(verdict="no", detail=detail)
            verdict = "ok"
            said.append(detail)
        return Outcome(verdict=verdict, detail="; ".join(text for text in said if text))


def _silent(share: float, words: str) -> None:
    """Tells nobody."""


class ManualHands:
    """A step that a person does: nothing to run, and where the plan says what to observe, the observation ends it."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe

    async def act(self, call: Call, say: Say) -> Outcome:
        action = call.step.action
        assert isinstance(action, Manual)
        seen = action.observe

        def tell(share: float, words: str) -> None:
            say(
                StepProgress(
                    ref=call.step.ref, fraction=share, detail=harmless(f"{action.owner} is asked; {words}", 500)
                )
            )

        match call.op:
            case "probe":
                if seen is None:
                    return Outcome(verdict="nothing")
                ok, detail = await self._observe(seen, 0.0, _silent)
                return Outcome(verdict="ok" if ok else "no", detail=detail)
            case "apply":
                if seen is None:
                    await asyncio.Event().wait()  # Only an answer ends it; the engine cancels this.
                    return Outcome(verdict="unknown")
                ok, detail = await self._observe(seen, call.step.timeout, tell)
                return Outcome(verdict="ok" if ok else "failed", detail=detail)
            case "verify":
                if seen is None:
                    return Outcome(verdict="ok")
                ok, detail = await self._observe(seen, 5.0, _silent)
                return Outcome(verdict="ok" if ok else "no", detail=detail)
            case "capture":
                return Outcome(verdict="nothing")
            case "undo" | "verify_undo":
                return Outcome(verdict="nothing", detail=f"ask {action.owner} to take it back")

    async def recall(self, call: Call, say: Say) -> Outcome:
        return Outcome(verdict="nothing")
