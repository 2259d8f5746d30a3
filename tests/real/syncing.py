"""Syncs between the hosts of a rig, as the engine asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from cockpit.engine.ports import Outcome
from cockpit.hosts.pool import HostPool
from cockpit.hosts.sync import SyncHands
from cockpit.plan.model import Op, Step, Sync
from tests.hosts.told import Told, call_of, pooled
from tests.real.rig import RealHost, Rig


def step(paths: tuple[str, ...] = ("/srv/tree",), **changes: object) -> Step:
    action = Sync(**{"source": "old", "target": "new", "paths": paths, **changes})  # type: ignore[arg-type]
    return Step(ref="osf/copy", id="copy", service="osf", phase="copy", action=action, kind="sync")


class Syncing:
    """Hands on the hosts, and what they told."""

    def __init__(self, pool: HostPool, told: Told) -> None:
        self.pool, self.told = pool, told
        self.hands = SyncHands(pool, told.raw)

    def reborn(self) -> Syncing:
        """Another process's hands: they know nothing of before."""
        return Syncing(self.pool, self.told)

    async def act(
        self, planned: Step, op: Op, captured: Mapping[str, str] | None = None, job: str = "run.osf.copy.1"
    ) -> Outcome:
        return await self.hands.act(call_of(planned, op, dict(captured or {}), job), self.told)

    async def copied(self, planned: Step, job: str = "run.osf.copy.1") -> dict[str, str]:
        """Probe, capture, apply and verify; returns what was captured."""
        probed = await self.act(planned, "probe", None, job)
        assert probed.verdict == "no", probed
        captured = await self.act(planned, "capture", None, job)
        assert captured.verdict == "ok", captured
        for op in ("apply", "verify"):
            done = await self.act(planned, op, captured.captured, job)  # type: ignore[arg-type]
            assert done.verdict == "ok", (op, done, self.said()[-5:])
        return captured.captured

    def said(self) -> list[str]:
        return [line for event in self.told.events for line in getattr(event, "lines", ())]


@asynccontextmanager
async def syncing(folder: Path, old: RealHost, new: RealHost, **more: str) -> AsyncIterator[Syncing]:
    """Connected to both; the caller stands at the desk."""
    folder.mkdir(parents=True, exist_ok=True)
    told = Told(folder)
    async with pooled({"old": old.plan("old", **more), "new": new.plan("new")}, told) as pool:
        yield Syncing(pool, told)


@contextmanager
def agent(rig: Rig) -> Iterator[str]:
    """An agent at the desk that holds the operator's key; the path of its socket."""
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    env = dict(re.findall(r"(SSH_\w+)=([^;]+);", said))
    try:
        subprocess.run(["ssh-add", "-q", str(rig.key)], check=True, env={**os.environ, **env})
        yield env["SSH_AUTH_SOCK"]
    finally:
        os.kill(int(env["SSH_AGENT_PID"]), signal.SIGTERM)


async def cancelled(task: asyncio.Task[Outcome]) -> None:
    """End a task as a conductor that goes away does."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
