"""The links to all hosts of a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import asyncssh

from cockpit.clock import Clock
from cockpit.events import Event
from cockpit.hosts.access import Access, Asks
from cockpit.hosts.dial import Others
from cockpit.hosts.errors import TooSlow, Unreachable, WrongHost
from cockpit.hosts.link import Link, feed, quoted
from cockpit.hosts.shell import Ran
from cockpit.plan.model import Host

__all__ = ["HostPool", "Link", "Ran", "TooSlow", "Unreachable", "WrongHost", "feed", "quoted"]

HANDSHAKES = 8
"""At once over all hosts; OpenSSH's MaxStartups begins to refuse at 10."""


class HostPool:
    """The links to all hosts of a plan. `run` keeps them open until cancelled; `asks` is asked for what only a person knows."""

    def __init__(
        self, hosts: Mapping[str, Host], emit: Callable[[Event], None], clock: Clock, asks: Asks | None = None
    ) -> None:
        # asyncssh logs each refused key; the sentence is in the event already.
        asyncssh.set_log_level("CRITICAL")
        handshakes = asyncio.Semaphore(HANDSHAKES)
        access = Access(asks)
        others = Others(
            {id: _prints(host) for id, host in hosts.items()},
            {id: host.machine_id for id, host in hosts.items() if host.machine_id},
        )
        self._links = {id: Link(host, emit, clock, handshakes, access, others) for id, host in hosts.items()}

    def __getitem__(self, host: str) -> Link:
        return self._links[host]

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    async def run(self) -> None:
        """Own every connection until cancelled."""
        async with asyncio.TaskGroup() as group:
            for link in self._links.values():
                group.create_task(link.keep(), name=f"link to {link.host.id}")


def _prints(host: Host) -> tuple[str, ...]:
    found = []
    for line in host.host_key.splitlines():
        try:
            found.append(asyncssh.import_public_key(line).get_fingerprint())
        except (asyncssh.KeyImportError, ValueError):
            continue
    return tuple(found)
