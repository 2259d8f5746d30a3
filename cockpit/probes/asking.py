"""One question of a health probe, in whatever protocol it speaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from cockpit.plan import conditions
from cockpit.plan.base import Vantage
from cockpit.plan.model import Host
from cockpit.plan.target import Target, target
from cockpit.plan.watched import Family, Probe
from cockpit.probes import mail
from cockpit.probes.aside import Aside
from cockpit.probes.context import Context
from cockpit.probes.plain import login, onhost, tcp
from cockpit.probes.plain.logged import LogLook
from cockpit.probes.plain.tls import TlsProber
from cockpit.probes.seen import Seen, since
from cockpit.probes.world import found_at, host_at
from cockpit.text import harmless

Facts = Mapping[str, Mapping[str, str]]
"""What was seen, by vantage."""

Ask = Callable[[Facts], Awaitable[Seen | None]]
"""Asks once, and judges the answer also by what other vantages saw. None when there is nothing to say yet. Never raises for
what a server or a host does."""

PORTS = {"ssh": 22, "tls": 443, "smtp": 25, "submission": 587, "imap": 143, "pop": 110}
LEAST = 0.05
"""Seconds that a question has at least when resolving its name took nearly all of the time."""
IMPLICIT = {"smtp": 465, "submission": 465, "imap": 993, "pop": 995}
"""Ports of the protocols that begin with TLS (RFC 8314)."""


class HealthAsker:
    """Makes the question of each probe. What it keeps between questions (TLS contexts, places in logs) is its own. Enter `aside`
    around questions: what looks for patterns in logs ends with the last that left it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tls = TlsProber(context.clock)
        self.aside = Aside()

    def asking(self, service: str, probe: Probe, at: Vantage, family: Family) -> Ask:
        """The question of `probe` at one vantage, over one address family."""
        if probe.proto in {"command", "log", "query"}:
            look = self._on_host(service, probe, at)

            async def on_host(others: Facts) -> Seen | None:
                seen = await look()
                return judged(probe, at, seen, others) if seen is not None else None

            return on_host

        async def ask(others: Facts) -> Seen:
            began = time.monotonic()
            try:
                async with asyncio.timeout(probe.timeout):
                    context = self._context
                    where = probe.url or probe.target
                    found = await found_at(context.plan, where, at, service, family, context.asker)
            except TimeoutError:
                return Seen(ok=False, ms=since(began), detail=f"no resolver answered within {probe.timeout:g} s")
            address = found.address
            # A slow resolver takes its time from the question, not from the next one.
            left = round(max(LEAST, probe.timeout - (time.monotonic() - began)), 2)
            if not address:
                return Seen(ok=False, detail=found.why)
            if probe.proto == "http":
                return await self._context.http.get(
                    probe.url,
                    address,
                    probe.expect,
                    left,
                    http2=probe.http2,
                    ca=probe.ca,
                    at=at,
                    others=others,
                )
            return judged(probe, at, await self._over(service, replace(probe, timeout=left), at, address), others)

        return ask

    async def _over(self, service: str, probe: Probe, at: Vantage, address: str) -> Seen:
        try:
            where = target(probe.target)
        except ValueError as error:
            return Seen(ok=False, detail=str(error), via=address)
        usual = IMPLICIT if probe.tls == "implicit" else PORTS
        where = Target(where.name, where.port or usual.get(probe.proto, 0) or PORTS.get(probe.proto, 0))
        match probe.proto:
            case "tcp":
                listen = any("banner" in text or "body" in text for text in probe.expect.that)
                return await tcp.probe(where, address, probe.expect, probe.timeout, listen=listen)
            case "tls":
                return await self._tls.probe(where, address, probe.timeout, probe.ca)
            case "ssh":
                return await self._ssh(service, probe, at, where, address)
            case _:
                return await mail.probe(probe, where.name, address, self._context.secrets, probe.timeout)

    async def _ssh(self, service: str, probe: Probe, at: Vantage, where: Target, address: str) -> Seen:
        hosts = self._hosts(service, at)
        who = None
        if probe.login is not None:
            who = login.account(probe.login.user, self._context.secrets.get(probe.login.secret, ""), hosts)
        try:
            keys = login.trust(hosts)
        except ValueError as error:
            return Seen(ok=False, detail=f"the host_key of the plan cannot be read: {error}", via=address)
        return await login.probe(where, address, probe.expect.body, probe.timeout, who, keys)

    def _hosts(self, service: str, at: Vantage) -> list[Host]:
        """The hosts that a server at this vantage may be: what the world reaches may be either."""
        plan = self._context.plan
        sides: tuple[Vantage, ...] = ("old", "new") if at == "world" else (at,)
        return [plan.hosts[id] for side in sides if (id := host_at(plan, side, service))]

    def _on_host(self, service: str, probe: Probe, at: Vantage) -> Callable[[], Awaitable[Seen | None]]:
        context = self._context
        host = probe.host or host_at(context.plan, at, service)
        if not host:
            return _nowhere(at)
        on_host = context.on_host
        match probe.proto:
            case "command":
                variables = context.plan.service(service).vars
                return lambda: onhost.command(on_host, host, probe, variables, at)
            case "query":
                secret = context.secrets.get(probe.login.secret, "") if probe.login is not None else ""
                return lambda: onhost.query(on_host, host, probe, secret, at)
            case _:
                return LogLook(on_host, host, probe, self.aside).look


def _nowhere(at: Vantage) -> Callable[[], Awaitable[Seen | None]]:
    async def ask() -> Seen:
        return Seen(ok=False, detail=harmless(f"the plan has no host for {at}", 80))

    return ask


def judged(probe: Probe, at: Vantage, seen: Seen, others: Facts) -> Seen:
    """The answer after the plan's conditions over it, and over what other vantages saw."""
    facts = {"ms": f"{seen.ms:g}", "via": seen.via, "status": str(seen.status), **seen.facts}
    seen = replace(seen, facts=facts)
    if not seen.ok or not probe.expect.that:
        return seen
    why = conditions.unmet(probe.expect.that, facts, others, at, seen.body, whole=not seen.cut)
    return replace(seen, ok=False, detail=harmless(why, 300)) if why else seen
