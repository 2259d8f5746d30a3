"""Where samples go: the address that a name has for the world, asked beside the samples so that none of them waits for it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Literal
from urllib.parse import urlsplit

from cockpit.plan.zones import Dns
from cockpit.probes.dns.ask import ask
from cockpit.probes.downtime.wire import now

EVERY = 0.5
"""Seconds between two questions for a name."""

STALE = 30.0
"""Seconds for which an address is used when no resolver answers any more; its own TTL if that is longer."""

Family = Literal["any", "4", "6"]


class Names:
    """The latest address of a URL's name in one address family. `keep` asks until it is cancelled."""

    def __init__(self, url: str, family: Family, dns: Dns | None) -> None:
        self._host = urlsplit(url).hostname or ""
        self._family = family
        self._resolvers = dns.resolvers if dns is not None else ()
        self._until = float("inf")
        self._address = self._literal()
        self.known = asyncio.Event()
        """Set once the name was asked for, whatever came of it."""
        if self._address:
            self.known.set()

    @property
    def address(self) -> str:
        """'' when the name has none, or none that is still good."""
        return self._address if now() < self._until else ""

    async def keep(self) -> None:
        """Ask again and again; at once when the name is an address itself."""
        if self._address:
            return
        while True:
            found, good_for = await (self._by_resolvers() if self._resolvers else self._by_system())
            if good_for >= 0:
                self._address, self._until = found, now() + max(good_for, STALE)
            self.known.set()
            await asyncio.sleep(EVERY)

    def _literal(self) -> str:
        try:
            return str(ipaddress.ip_address(self._host))
        except ValueError:
            return ""

    async def _by_resolvers(self) -> tuple[str, float]:
        """(address or '', seconds for which it is good; -1 when nobody answers)."""
        types = {"any": ("A", "AAAA"), "4": ("A",), "6": ("AAAA",)}[self._family]
        for resolver in self._resolvers:
            answers = [await ask(resolver, self._host, type, recurse=True, timeout=1.0) for type in types[:1]]
            if answers[0].rcode == "NOERROR" and not answers[0].values and types[1:]:
                answers.append(await ask(resolver, self._host, types[1], recurse=True, timeout=1.0))
            for answer in answers:
                if answer.values:
                    return answer.values[0], max(0.0, float(answer.ttl))
            if answers[-1].rcode in {"NXDOMAIN", "NOERROR"}:
                return "", 0.0
        return "", -1.0

    async def _by_system(self) -> tuple[str, float]:
        family = {"any": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6}[self._family]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, None, family=family, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            return "", -1.0 if again else 0.0
        return (str(found[0][4][0]), 0.0) if found else ("", 0.0)
