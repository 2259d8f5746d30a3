"""The hands that tell people: each receiver once, and what is in doubt is never said twice by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import Event, NoticeSent, StepOutput
from cockpit.people.helper import Helper, Said
from cockpit.plan.people import Notice, Receiver
from cockpit.state import RunState
from cockpit.text import harmless

Write = Callable[[Event], Awaitable[object]]
"""Puts an event on disk before it returns."""


class NoticeHands:
    """Sends a notice through a helper process. What each receiver was told is in the journal, before and after."""

    def __init__(
        self,
        write: Write,
        state: Callable[[], RunState],
        secrets: Mapping[str, str],
        helper: Callable[[], Helper] = Helper,
    ) -> None:
        self._write = write
        self._state = state
        self._secrets = secrets
        self._helper = helper

    async def act(self, call: Call, say: Say) -> Outcome:
        match call.op:
            case "probe":
                missing = self._missing(call)
                return Outcome(verdict="no" if missing else "ok", detail=self._words(call, missing))
            case "verify":
                missing = [] if self._rehearsal else self._missing(call)
                words = "a rehearsal tells nobody" if self._rehearsal else self._words(call, missing)
                return Outcome(verdict="no" if missing else "ok", detail=words)
            case "apply":
                return await self._send(call, say)
            case "capture":
                return Outcome(verdict="nothing")
            case "undo" | "verify_undo":
                return Outcome(verdict="nothing", detail="what was said stays said: tell them what became of it")

    async def recall(self, call: Call, say: Say) -> Outcome:
        """What the journal says of each receiver. One that was being told when we went away is a person's to look up."""
        told = self._state().step(call.step.ref).sent
        doubtful = [name for name, state in told.items() if state in {"sending", "unknown"}]
        if doubtful:
            return Outcome(verdict="unknown", detail=_doubt(doubtful))
        missing = self._missing(call)
        return Outcome(verdict="nothing") if missing else Outcome(verdict="ok", detail=self._words(call, missing))

    @property
    def _rehearsal(self) -> bool:
        return self._state().mode == "rehearsal"

    def _missing(self, call: Call) -> list[Receiver]:
        assert isinstance(call.step.action, Notice)
        told = self._state().step(call.step.ref).sent
        return [receiver for receiver in call.step.action.to if told.get(receiver.name) != "sent"]

    def _words(self, call: Call, missing: list[Receiver]) -> str:
        assert isinstance(call.step.action, Notice)
        if missing:
            return f"not told yet: {', '.join(receiver.name for receiver in missing)}"
        return f"handed over for {', '.join(receiver.name for receiver in call.step.action.to)}"

    async def _send(self, call: Call, say: Say) -> Outcome:
        notice = call.step.action
        assert isinstance(notice, Notice)
        missing = self._missing(call)
        if self._rehearsal:
            return Outcome(verdict="ok", detail=f"a rehearsal tells nobody: {len(missing)} would be told")
        came: dict[str, Said] = {}
        async with self._helper() as helper:
            for receiver in missing:
                came[receiver.name] = await self._tell(call, notice, receiver, helper)
                said = came[receiver.name]
                line = harmless(f"{receiver.name}: {said.state} {said.detail}".rstrip(), 300)
                say(StepOutput(ref=call.step.ref, attempt=call.attempt, op="apply", stream="out", lines=(line,)))
        doubtful = [name for name, said in came.items() if said.state == "unknown"]
        failed = [f"{name}: {said.detail}" for name, said in came.items() if said.state == "failed"]
        if doubtful:
            return Outcome(verdict="unknown", detail=_doubt(doubtful))
        if failed:
            return Outcome(verdict="failed", detail=harmless("; ".join(failed), 500))
        return Outcome(verdict="ok", detail=self._words(call, []))

    async def _tell(self, call: Call, notice: Notice, receiver: Receiver, helper: Helper) -> Said:
        ref, attempt, address = call.step.ref, call.attempt, receiver.address
        url = self._secrets.get(address.secret, "").strip() if address.secret else address.url
        if not url:
            return Said("failed", f"secret {address.secret} is not there")
        await self._write(NoticeSent(ref=ref, attempt=attempt, to=receiver.name, state="sending"))
        said = await helper.send(url, notice.subject, notice.text)
        said = Said(said.state if said.state != "good" else "unknown", harmless(said.detail.replace(url, "…"), 200))
        state = said.state if said.state != "good" else "unknown"
        await self._write(NoticeSent(ref=ref, attempt=attempt, to=receiver.name, state=state, detail=said.detail))
        return said


def _doubt(names: list[str]) -> str:
    return f"in doubt whether it reached {', '.join(names)}: ask there, then say what you found"
