"""What every probe gets: the plan, where its events go, and how it reaches hosts and secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from cockpit.clock import Clock
from cockpit.events import Event
from cockpit.plan.model import Plan
from cockpit.probes.dns.ask import Asker
from cockpit.probes.http import HttpProber
from cockpit.probes.turns import OnHost, Said, Turns
from cockpit.state import RunState

__all__ = ["AGAIN", "AT_ONCE", "Context", "OnHost", "Said", "Watch"]

AT_ONCE = 32
"""Questions of all probes under way at the same time over the network; those on hosts take turns by host."""

AGAIN = 5.0
"""Seconds after which an unchanged observation is told again, so that evidence stays fresh."""


class Watch(NamedTuple):
    """One probe: what it is called in a trouble, and its work, which goes on until it is cancelled."""

    name: str
    work: Callable[[], Awaitable[None]]


class Context:
    """Shared by all probes of a run. `before` is the state that a resumption found, `now` tells the present one."""

    def __init__(
        self,
        plan: Plan,
        emit: Callable[[Event], None],
        clock: Clock,
        on_host: OnHost,
        secrets: Mapping[str, str] | None = None,
        before: RunState | None = None,
        now: Callable[[], RunState] | None = None,
    ) -> None:
        self.plan = plan
        self.emit = emit
        self.clock = clock
        self.on_host = Turns(on_host)
        self.on_host_now = Turns(on_host)
        """The same for those who wait behind no other probe: who takes the writes must be known at once."""
        self.secrets: Mapping[str, str] = secrets if secrets is not None else {}
        self.before = before or RunState()
        self._now = now
        self.most = asyncio.Semaphore(AT_ONCE)
        self.http = HttpProber()
        self.asker = Asker(plan.dns.ca if plan.dns is not None else "")

    def steps(self, service: str) -> Mapping[str, str]:
        """The present state of each step of a service, by its ref; empty where nobody tells."""
        view = self._now().services.get(service) if self._now is not None else None
        return {ref: step.state for ref, step in view.steps.items()} if view is not None else {}
