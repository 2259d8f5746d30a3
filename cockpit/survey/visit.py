"""Going to a host to look: its inventory over SSH, with what it proved to be. Starts nothing there that stays."""

from __future__ import annotations

import asyncio

import asyncssh

from cockpit.clock import SystemClock
from cockpit.events import Event, HostSeen
from cockpit.hosts.access import Asks
from cockpit.hosts.link import Link
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.plan.model import Host
from cockpit.survey.inventory import MOST, Inventory, parse, script
from cockpit.survey.written import Origin

CONNECT_WAIT = 30.0
LOOK_WAIT = 600.0
"""Seconds for all of the looking: what walks through folders is bounded on the host, too."""


class NotSeen(Exception):
    """The host could not be reached or asked; the sentence says why."""


async def inventory(host: Host, asks: Asks | None = None) -> tuple[Inventory, Origin]:
    """What is on the host. Raises NotSeen."""
    news: list[str] = []
    down = asyncio.Event()

    def heard(event: Event) -> None:
        if isinstance(event, HostSeen) and event.detail:
            news.append(event.detail)
            if event.link == "down":
                down.set()

    pool = HostPool({host.id: host}, heard, SystemClock(), asks)
    running = asyncio.create_task(pool.run())
    try:
        link = pool[host.id]
        connection = await _connected(link, down)
        key = connection.get_server_host_key()
        ran = await link.run("exec sh -s", script().encode(), LOOK_WAIT, MOST)
        seen = link.seen
        line = " ".join(key.export_public_key("openssh").decode().split()[:2]) if key is not None else ""
        peer = connection.get_extra_info("peername")
        origin = Origin(
            ssh=host.ssh,
            address=str(peer[0]) if peer else "",
            host_key=line,
            machine_id=seen.machine if seen is not None else "",
            name=seen.name if seen is not None else "",
        )
        return parse(ran.out), origin
    except Unreachable as error:
        raise NotSeen(news[-1] if news else str(error)) from None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _connected(link: Link, down: asyncio.Event) -> asyncssh.SSHClientConnection:
    """The first try counts: nobody waits here for a host to come back. Raises Unreachable."""
    tried = asyncio.create_task(link.connection(CONNECT_WAIT))
    failed = asyncio.create_task(down.wait())
    await asyncio.wait({tried, failed}, return_when=asyncio.FIRST_COMPLETED)
    failed.cancel()
    if not tried.done():
        tried.cancel()
        await asyncio.gather(tried, return_exceptions=True)
        raise Unreachable(f"{link.host.ssh} cannot be reached")
    return await tried
