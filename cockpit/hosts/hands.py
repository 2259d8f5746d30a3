"""Hands for shell steps: what only reads runs as a plain command, what changes something runs as a detached job."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from types import MappingProxyType

from cockpit.engine.ports import Call, Outcome, Say, Verdict
from cockpit.hosts.job import JobEnd, Jobs
from cockpit.hosts.output import OutputTeller, RawSink
from cockpit.hosts.pool import HostPool, Ran, TooSlow, Unreachable, WrongHost
from cockpit.plan.model import Shell
from cockpit.plan.script import script_for
from cockpit.text import harmless

PATIENCE = 20.0
"""Seconds for which a question is asked again over a link that was lost."""

ENDING = 60.0
"""Seconds that a job which is over its time may take to end."""

_CAPTURED = re.compile(rb"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")


class ShellHands:
    """Runs recipes and inline steps on their hosts."""

    def __init__(
        self, pool: HostPool, jobs: Jobs, raw: RawSink, secrets: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._pool = pool
        self._jobs = jobs
        self._raw = raw
        self._secrets = secrets

    async def act(self, call: Call, say: Say) -> Outcome:
        action = call.step.action
        assert isinstance(action, Shell)
        try:
            script = script_for(action, call.op, call.captured, self._secrets)
        except KeyError as error:
            return Outcome(verdict="failed", detail=f"the secret {error.args[0]} is not there; nothing was changed")
        if not script:
            return Outcome(verdict="nothing")
        if call.op in {"apply", "undo"}:
            return await self._change(call, action, script, say)
        return await self._read(call, action, script, say)

    async def recall(self, call: Call, say: Say) -> Outcome:
        action = call.step.action
        assert isinstance(action, Shell)
        teller = OutputTeller(call, say, self._raw, resumed=True)
        return self._ended(await self._jobs.attach(action.host, call.job, teller, teller.begin), teller)

    async def _change(self, call: Call, action: Shell, script: str, say: Say) -> Outcome:
        teller = OutputTeller(call, say, self._raw)
        try:
            async with asyncio.timeout(call.step.timeout):
                return self._ended(await self._jobs.run(action.host, call.job, script.encode(), teller), teller)
        except TimeoutError:
            pass
        why = f"it was ended after its time-out of {call.step.timeout:.0f} s"
        try:
            async with asyncio.timeout(ENDING):
                await self._jobs.cancel(action.host, call.job)
                end = await self._jobs.attach(action.host, call.job, lambda stream, data: None)
        except (Unreachable, TimeoutError) as error:
            over = f"its time-out of {call.step.timeout:.0f} s is over"
            return Outcome(
                verdict="unknown", detail=f"{over}, and {str(error) or 'the host does not say that it ended'}"
            )
        if end.kind in {"ended", "gone"}:
            return Outcome(verdict="failed", detail=why, exit=end.status)
        return Outcome(verdict="unknown", detail=f"{why}, but that could not be confirmed: {end.detail}")

    async def _ask(self, call: Call, host: str, script: str) -> Ran:
        """Run what only reads; a link that is lost on the way is no answer, so it is asked again for a while."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                ran = await self._pool[host].ask(script, call.step.timeout)
                if ran.exit is not None or time.monotonic() > until:
                    return ran
            except (TooSlow, WrongHost):
                raise
            except Unreachable:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(0.3)

    async def _read(self, call: Call, action: Shell, script: str, say: Say) -> Outcome:
        try:
            ran = await self._ask(call, action.host, script)
        except WrongHost as error:
            return Outcome(verdict="failed", detail=str(error))
        except Unreachable as error:
            return Outcome(verdict="unknown", detail=str(error))
        if call.op != "probe" and (ran.out or ran.err):
            teller = OutputTeller(call, say, self._raw)
            if call.op != "capture" and ran.out:
                teller("out", ran.out)
            if ran.err:
                teller("err", ran.err)
            teller.flush()
        if call.op == "capture":
            return _captured(ran)
        match ran.exit:
            case 0:
                return Outcome(verdict="ok", detail=ran.text, exit=0)
            case 1:
                return Outcome(verdict="no", detail=ran.text, exit=1)
            case None:
                return Outcome(verdict="unknown", detail="the link was lost before it answered")
            case status:
                what: Verdict = "failed" if call.op == "probe" else "unknown"
                return Outcome(verdict=what, detail=ran.text or f"{call.op} ended with {status}", exit=status)

    def _ended(self, end: JobEnd, teller: OutputTeller) -> Outcome:
        teller.flush()
        match end.kind:
            case "ended" if end.status == 0:
                return Outcome(verdict="ok", exit=0, detail=teller.last)
            case "ended":
                return Outcome(verdict="failed", exit=end.status, detail=_how(end, teller))
            case "refused" | "fenced":
                return Outcome(verdict="failed", detail=end.detail)
            case "none":
                return Outcome(verdict="nothing", detail="the host has no trace of it")
            case _:
                return Outcome(verdict="unknown", detail=end.detail)


def _how(end: JobEnd, teller: OutputTeller) -> str:
    """How a job failed: its last line, and how it ended where that is not the script's own doing."""
    if end.status is not None and end.status > 128:
        return f"it was {end.detail}" + (f" after {teller.last!r}" if teller.last else "")
    return teller.last or f"it {end.detail}"


def _captured(ran: Ran) -> Outcome:
    if ran.exit is None:
        return Outcome(verdict="unknown", detail="the link was lost before it answered")
    if ran.exit != 0:
        return Outcome(verdict="failed", detail=ran.text or f"capture ended with {ran.exit}", exit=ran.exit)
    found: dict[str, str] = {}
    for line in ran.out.splitlines():
        match = _CAPTURED.match(line)
        if match is not None:
            found[match[1].decode()] = harmless(match[2])
    return Outcome(verdict="ok", captured=found)
