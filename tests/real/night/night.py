"""Somebody who conducts a night: a conductor at the rig's desk, driven over its socket as a screen would drive it.

    async with conducting(folder / "run", plan) as night:
        await night.go(before="promote")      # every service up to, not including, its step `promote`
        await night.back()                    # abort to the last safe point, then take the rest back too

Gates are opened when their evidence holds. A manual step is answered "done", after what `deeds` holds for it was done: a
function by `step` or `service/step`, which gets the service's id (the zone's owner changes a record, a user checks their
site). Nothing is tried again: a step that fails ends the night with `Wrong`, which says what it said.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from cockpit import intents as it
from cockpit.conductor.client import LiveSource
from cockpit.engine import rules
from cockpit.events import FAILURES
from cockpit.journal.folder import RunFolder
from cockpit.plan.load import load_plan
from cockpit.plan.model import Manual, Plan
from cockpit.reduce import reduce
from cockpit.state import BUSY, TICKED, RunState, StepView

Deed = Callable[[str], object]

BEGUN = 150.0
"""Seconds that a conductor may take to begin or to resume, on a machine that does much else."""


class Wrong(Exception):
    """The night did not go as it must; the sentence says how it shows."""


class Night:
    """A run that is driven. Make it with `conducting`."""

    def __init__(self, folder: Path, plan: Path, deeds: Mapping[str, Deed]) -> None:
        self.run = RunFolder(folder)
        self.file = plan
        self.plan: Plan = load_plan(plan)
        self.state = RunState()
        self.refused: list[str] = []
        """What the conductor did not do, and why."""
        self._deeds = dict(deeds)
        self._done: set[str] = set()
        self._source: LiveSource | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None
        self._lost = ""

    # --- driving ------------------------------------------------------------------------------------------------------

    async def go(
        self,
        *,
        before: str | Collection[str] = "",
        services: Collection[str] = (),
        override: str = "",
        seconds: float = 300.0,
        watch: Callable[[], None] | None = None,
    ) -> None:
        """Every step of these services (of all without), or up to the step `before` (or whichever of several, by `step` or
        `service/step`), which stays undone. `override` is the
        reason for which gates are opened against missing evidence; without one they wait for it. `watch` is called now and
        then, and may raise."""
        wanted = list(services) or [service.id for service in self.plan.services if service.disposition != "drop"]
        stops = {before} if isinstance(before, str) else set(before)

        def left(service: str) -> str | None:
            ref = self._next(service)
            return None if ref is None or ref in stops or ref.partition("/")[2] in stops else ref

        async def urge() -> None:
            self._must_not_fail()
            if watch is not None:
                watch()
            await self._open_gates(override)
            for service in wanted:
                ref = left(service)
                if ref is None or self._busy(service):
                    continue
                if rules.readiness(self.state, ref, time.time()).ok:
                    await self.send(it.RunStep(ref=ref))

        await self._until(
            lambda: all(left(service) is None and not self._busy(service) for service in wanted), urge, seconds
        )
        self._must_not_fail()

    async def back(self, *, services: Collection[str] = (), seconds: float = 300.0, all_the_way: bool = True) -> None:
        """Abort to the last safe point, the whole run or these services; with `all_the_way` what came before it is taken back
        too, one step at a time. What had failed before stays so, and is taken back too."""
        wanted = list(services) or list(self.state.services)
        await self._until(lambda: not any(self._busy(id) for id in wanted), self._nothing, seconds)
        begun = self.state.seq
        if not services and any(rules.safe_point(self.state, service) for service in wanted):
            # Services need each other's steps: together they go back in the order that this takes.
            await self.send(it.Abort(typed="all"), must=True)
        for service in services:
            if rules.safe_point(self.state, service):
                await self.send(it.Abort(service=service, typed=service), must=True)

        async def watch() -> None:
            self._must_not_fail({"undo_failed"})
            stopped = [entry.text for entry in self.state.timeline if entry.seq > begun and "abort of" in entry.text]
            if stopped:
                raise Wrong("\n".join(stopped))

        def safe() -> bool:
            return not any(rules.safe_point(self.state, service) or self._busy(service) for service in wanted)

        await self._until(safe, watch, seconds)

        async def urge() -> None:
            self._must_not_fail({"undo_failed"})
            for service in wanted:
                if rules.undo_target(self.state, service) and not self._busy(service):
                    await self.send(it.Undo(service=service, typed=service))

        if all_the_way:
            await self._until(
                lambda: not any(rules.undo_target(self.state, id) or self._busy(id) for id in wanted), urge, seconds
            )
        self._must_not_fail({"undo_failed"})

    async def until(self, holds: Callable[[RunState], bool], seconds: float = 60.0) -> None:
        """Wait for something that the state will show: an alarm, evidence, a probe."""

        async def nothing() -> None:
            return None

        await self._until(lambda: holds(self.state), nothing, seconds)

    async def send(self, intent: it.AnyIntent, *, must: bool = False) -> str:
        """Ask for something; the refusal as a sentence, which is `Wrong` if it `must` be done."""
        assert self._source is not None
        refusal = await self._source.send(intent) or ""
        if refusal:
            self.refused.append(f"{intent}: {refusal}")
            if must:
                raise Wrong(self.refused[-1])
        # The answer can be here before the event that it led to.
        await asyncio.sleep(0.05)
        return refusal

    async def end(self) -> None:
        """Close the run, so that its journal says how it ended, and its hosts are given up."""
        await self.send(it.End(), must=True)
        await self._until(lambda: bool(self.state.ended), self._nothing, 30)
        assert self._process is not None
        await asyncio.wait_for(self._process.wait(), 60)

    # --- looking ------------------------------------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        """Each step with its state."""
        return {ref: view.state for service in self.state.services.values() for ref, view in service.steps.items()}

    def down(self, service: str) -> tuple[float, float]:
        """How long a service was down as its meter saw it: at least, at the most."""
        view = self.state.services[service].down
        return view.lower, view.upper

    def _next(self, service: str) -> str | None:
        seen = self.state.services[service].steps
        return next((ref for ref, view in seen.items() if view.state not in TICKED), None)

    def _busy(self, service: str) -> bool:
        view = self.state.services[service]
        return view.advancing or any(step.state in BUSY for step in view.steps.values())

    def _views(self) -> list[StepView]:
        return [view for service in self.state.services.values() for view in service.steps.values()]

    def _must_not_fail(self, states: Collection[str] = FAILURES) -> None:
        bad = [view for view in self._views() if view.state in states]
        if bad:
            raise Wrong("\n".join(f"{view.ref} is {view.state}: {view.detail}\n{_said(view)}" for view in bad))

    # --- the people of the plan ---------------------------------------------------------------------------------------

    async def _open_gates(self, override: str) -> None:
        for gate in self.plan.gates:
            seen = self.state.gates[gate.id]
            if seen.open or gate.kind != "human":
                continue
            if override or rules.gate_readiness(self.state, gate.id, time.time()).ok:
                await self.send(it.OpenGate(gate=gate.id, typed=gate.typed, override=override))

    async def _answer(self) -> None:
        for view in self._views():
            planned = self.state.planned(view.ref)
            if not isinstance(planned.action, Manual) or view.state != "waiting" or view.ref in self._done:
                continue
            self._done.add(view.ref)
            deed = self._deeds.get(view.ref) or self._deeds.get(planned.id)
            said = await asyncio.to_thread(deed, planned.service) if deed is not None else None
            if planned.action.observe is None:
                choice = next(iter(planned.action.good), "")
                await self.send(it.Answer(ref=view.ref, done=True, text=str(said or "done"), choice=choice), must=True)

    # --- the conductor ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start or resume the conductor, and wait until the run is there and we hold its wheel."""
        words = ["--folder", str(self.run.path), "--plan", str(self.file)]
        log = self._log.open("ab")
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cockpit.conductor", *words, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL,
            env=dict(os.environ, COCKPIT_NAME="operator"),
        )  # fmt: skip
        log.close()
        self._source = LiveSource(
            self.run.socket, "operator", self.run.token(), wait=BEGUN, alive=lambda: process.returncode is None
        )
        self._following = asyncio.create_task(self._follow(self._source))
        source = self._source
        await self._until(lambda: self.state.plan is not None and source.drives, self._nothing, BEGUN)

    async def kill(self) -> None:
        """SIGKILL of the conductor, as when the operator's machine dies. `start` resumes the run."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        await self._unfollow()

    async def stop(self) -> None:
        """End the conductor and the connection; the run can be resumed."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        await self._unfollow()

    async def _unfollow(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self, source: LiveSource) -> None:
        try:
            async for batch in source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                    continue
                for record in batch:
                    self.state = reduce(self.state, record)
        except (ConnectionError, msgspec.DecodeError) as error:
            self._lost = str(error)

    @property
    def _log(self) -> Path:
        return self.run.path / "conductor.log"

    async def _nothing(self) -> None:
        return None

    async def _until(self, done: Callable[[], bool], urge: Callable[[], object], seconds: float) -> None:
        moved, ends = self.states(), time.monotonic() + seconds
        while not done():
            process = self._process
            if moved != (now := self.states()):
                moved, ends = now, time.monotonic() + seconds
            if process is not None and process.returncode is not None and not self.state.ended:
                raise Wrong(f"the conductor ended with {process.returncode}: {self._log.read_text()[-800:]}")
            if time.monotonic() > ends:
                raise Wrong(self._stuck(seconds))
            if self.state.plan is not None:
                await self._answer()
                found = urge()
                if asyncio.iscoroutine(found):
                    await found
            await asyncio.sleep(0.05)

    def _stuck(self, seconds: float) -> str:
        open_ = {ref: state for ref, state in self.states().items() if state not in TICKED}
        why = [
            f"{ref}: {rules.readiness(self.state, ref, time.time()).reason}"
            for ref in (self._next(service) for service in self.state.services)
            if ref is not None
        ]
        return f"nothing moves for {seconds:g} s ({self._lost}): {open_}; {why}; refused: {self.refused[-3:]}"


def _said(view: StepView) -> str:
    return "\n".join(f"    {line}" for line in view.output[-12:])


@asynccontextmanager
async def conducting(folder: Path, plan: Path, deeds: Mapping[str, Deed] | None = None) -> AsyncIterator[Night]:
    """A night on a plan, with its conductor, which ends with it. Stand at the desk. Raises Wrong."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    night = Night(folder, plan, deeds or {})
    await night.start()
    try:
        yield night
    finally:
        await night.stop()
