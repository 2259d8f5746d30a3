"""Before each op of a step: is every host it touches the machine that the plan means, and is it ours?"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from cockpit.engine.ports import Call, Outcome
from cockpit.hosts.errors import Unreachable, WrongHost
from cockpit.hosts.pool import HostPool
from cockpit.plan.model import Shell, Step, Sync

PATIENCE = 20.0
"""Seconds for which a host that cannot be reached is waited for."""


class Locked(Protocol):
    """Whether a host is ours."""

    async def refusal(self, host: str) -> str:
        """Why the host cannot be acted on now, as a sentence; '' when it is ours."""
        ...


def touched(step: Step) -> tuple[str, ...]:
    """The hosts that a step acts on over SSH."""
    match step.action:
        case Shell(host=host):
            return (host,)
        case Sync(source=source, target=target):
            return (source, target)
        case _:
            return ()


class HostGuard:
    """Looks again at each host before each op; what it refuses was not begun."""

    def __init__(self, pool: HostPool, locks: Locked) -> None:
        self._pool = pool
        self._locks = locks

    async def __call__(self, call: Call) -> Outcome | None:
        """None when the op may go on; otherwise its outcome: `failed` for certain on the wrong machine or one that another run
        holds, `unknown` when a host could not be asked. A link that is lost on the way is waited for, for a while."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await self._look(call)
            except WrongHost as error:
                return Outcome(verdict="failed", detail=str(error))
            except Unreachable as error:
                if time.monotonic() > until:
                    return Outcome(verdict="unknown", detail=str(error))
            await asyncio.sleep(0.3)

    async def _look(self, call: Call) -> Outcome | None:
        hosts = touched(call.step)
        await asyncio.gather(*(self._pool[host].prove() for host in hosts))
        if call.op in {"apply", "undo"}:
            for why in await asyncio.gather(*(self._locks.refusal(host) for host in hosts)):
                if why:
                    return Outcome(verdict="failed", detail=f"{why}; nothing was changed")
        return None
