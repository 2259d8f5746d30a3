"""Whose turn it is to ask a host over its link: few at a time on each, so that a host that is away holds up no other."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

PER_HOST = 4
"""Questions under way on one host; an SSH server has ten channels on a connection by default."""
GRACE = 0.5


class Said(NamedTuple):
    """What a command on a host came to. `exit` is None when the host could not be asked; `out` then says why."""

    exit: int | None
    out: str
    err: str = ""


class OnHost(Protocol):
    """Runs shell text on a host of the plan that only looks. Never raises for what the host does."""

    async def __call__(self, host: str, script: str, timeout: float) -> Said: ...


class Turns:
    """Runs what probes ask of hosts, few at a time on each: the links are there for steps first. Ends within the time-out, also
    while a host cannot be reached."""

    def __init__(self, on_host: OnHost) -> None:
        self._on_host = on_host
        self._hosts: dict[str, asyncio.Semaphore] = {}

    async def __call__(self, host: str, script: str, timeout: float) -> Said:
        room = self._hosts.setdefault(host, asyncio.Semaphore(PER_HOST))
        waiting = True
        try:
            # The host itself ends what runs over its time; only when it does not say so is it given up here.
            async with asyncio.timeout(timeout + GRACE), room:
                waiting = False
                return await self._on_host(host, script, timeout)
        except TimeoutError:
            why = "was busy with other probes" if waiting else "did not answer"
            return Said(None, f"{host} {why} for {timeout + GRACE:g} s")
