"""Where the world's requests go: the address that a name resolves to right now, asked anew each time."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from cockpit.plan.model import Plan, Vantage
from cockpit.probes.resolve import ask


async def world_address(plan: Plan, url: str) -> str:
    """The address of a URL's name, by the plan's first resolver that answers, else by this machine's own. '' when there is
    none."""
    host = urlsplit(url).hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if plan.dns is None or not plan.dns.resolvers:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return ""
        return str(found[0][4][0]) if found else ""
    for resolver in plan.dns.resolvers:
        answer = await ask(resolver, host, "A", recurse=True, timeout=1.0)
        if answer.values:
            return answer.values[0]
        if answer.rcode == "NXDOMAIN":
            return ""
    return ""


async def address_at(plan: Plan, url: str, at: Vantage, service: str = "") -> str:
    """The address to which a request at this vantage is pinned; '' when there is none."""
    if at == "world":
        return await world_address(plan, url)
    hosts = [host for host in plan.hosts.values() if host.role == at]
    own = [host for host in hosts if host.id.endswith(f"@{service}")] if service else []
    chosen = (own or hosts)[:1]
    return chosen[0].address if chosen else ""
