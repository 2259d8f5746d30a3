"""A whole lab: builds both hosts, starts every server and the world's clients, writes the demo plan, takes it all down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import asyncssh
import dns.name
import dns.tsig

from cockpit.lab import demo
from cockpit.lab.addresses import Addresses, LabError, choose
from cockpit.lab.host import DOMAIN, LabHost
from cockpit.lab.mail import MailServer
from cockpit.lab.names import Primary, Resolver, Secondary
from cockpit.lab.ssh import SshServer
from cockpit.lab.traffic import Tally, Visitor
from cockpit.lab.web import WebServer
from cockpit.lab.zone import Zone

TTL = 5
LAGS = (0.8, 2.0)
"""Seconds that the two secondaries are behind the primary."""
STALE_FOR = 3.0
"""Seconds that the last resolver hands out what has expired."""
OWNER_DELAY = 8.0
"""Seconds from the letter to the third party until it changes its zone."""


class Server(Protocol):
    """What can be killed and started again at the same place."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Lab:
    """A running lab. `async with Lab.start(folder) as lab`; every attribute stays the same for its life."""

    def __init__(self, folder: Path, where: Addresses, clients: tuple[str, ...]) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.folder = folder
        self.where = where
        self.clients = clients
        self.plan_path = folder / "karl.yaml"
        self.operator_key_path = folder / "keys/operator"
        self.known_hosts_path = folder / "keys/known_hosts"
        self.tsig_path = folder / "keys/cutover.key"
        self.control_path = folder / "control.sock"
        self.old = LabHost("old", "xen", where.old, folder / "old")
        self.new = LabHost("new", "shared", where.new, folder / "new")
        self.hosts = {"old": self.old, "new": self.new}
        self.tally = Tally()
        self.owner_delay = OWNER_DELAY
        self.ssh: dict[str, SshServer] = {}
        self.servers: dict[str, Server] = {}
        """Every server by name: `ssh-old`, `web-new`, `mail-old`, `dns-primary`, `dns-secondary-1`, `resolver-4`, …"""
        self.down: set[str] = set()
        self.primary: Primary
        self.secondaries: list[Secondary] = []
        self.resolvers: list[Resolver] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, folder: Path | None = None, clients: tuple[str, ...] = demo.CLIENTS, *, traffic: bool = True
    ) -> AsyncIterator[Lab]:
        """Start a lab in `folder` (a temporary one, removed at the end, when None). Raises LabError."""
        own = folder is None
        home = Path(tempfile.mkdtemp(prefix="cockpit-lab-")) if folder is None else folder
        try:
            home.mkdir(parents=True, exist_ok=True)
            lab = cls(home.resolve(), choose(), tuple(clients))
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(lab._stop)
                await lab._start(stack, traffic)
                yield lab
        except OSError as error:
            raise LabError(f"the lab cannot run in {home}: {error}") from error
        finally:
            if own:
                await asyncio.to_thread(shutil.rmtree, home, True)

    async def _start(self, stack: contextlib.AsyncExitStack, traffic: bool) -> None:
        (self.folder / "keys").mkdir(mode=0o700, exist_ok=True)
        keys = {role: asyncssh.generate_private_key("ssh-ed25519") for role in (*self.hosts, "operator")}
        public = {role: key.export_public_key().decode().strip() for role, key in keys.items()}
        self.operator_key_path.touch(mode=0o600)
        keys["operator"].write_private_key(self.operator_key_path)
        keys["operator"].write_public_key(self.operator_key_path.with_suffix(".pub"))
        self.known_hosts_path.write_text(
            "".join(f"[{host.address}]:{self.where.ssh_port} {public[role]}\n" for role, host in self.hosts.items())
        )
        plan = demo.plan_text(self.where, self.hosts, public, self.clients)
        await asyncio.to_thread(self._build)
        self._names()
        for role, host in self.hosts.items():
            self.ssh[role] = SshServer(host, self.where.ssh_port, self.id, keys[role], keys["operator"])
            self.servers[f"ssh-{role}"] = self.ssh[role]
            self.servers[f"web-{role}"] = WebServer(host, self.where.http_port)
            self.servers[f"mail-{role}"] = MailServer(host, self.where.smtp_port)
        for server in self.servers.values():
            await server.start()
        for secondary in self.secondaries:
            for zone in secondary.zones:
                await secondary.refresh(zone)
        group = await stack.enter_async_context(_Tasks())
        for secondary in self.secondaries:
            group.add(secondary.follow())
        for owned in set(self.clients) & set(demo.OWN_DNS):
            group.add(self._owner(owned))
        if traffic:
            for index, client in enumerate(self.clients):
                group.add(Visitor(client, self.where, index, self.tally).live())
        self.plan_path.write_text(plan, encoding="utf-8")

    def _build(self) -> None:
        for host in self.hosts.values():
            host.build()
            host.configure(self.where.smtp_port)
        demo.furnish(self.old, self.clients)

    def _names(self) -> None:
        where = self.where
        zones = {DOMAIN: Zone(f"{DOMAIN}.", f"ns1.{DOMAIN}.")}
        root = zones[DOMAIN]
        root.put(f"{DOMAIN}.", 60, "NS", *(f"ns{number}.{DOMAIN}." for number in (1, 2, 3)))
        for number, address in enumerate(where.authorities, 1):
            root.put(f"ns{number}.{DOMAIN}.", 60, "A", address)
        for host in self.hosts.values():
            root.put(f"{host.fqdn}.", 60, "A", host.address)
        for client in self.clients:
            name = f"{client}.{DOMAIN}"
            zone = root
            if client in demo.OWN_DNS:
                zone = zones[name] = Zone(f"{name}.", f"ns1.{DOMAIN}.")
                servers = [f"ns{number}.{DOMAIN}." for number in (1, 2, 3)]
                zone.put(f"{name}.", 60, "NS", *servers)
                root.put(f"{name}.", 60, "NS", *servers)
            zone.put(f"{name}.", TTL, "A", where.old)
            zone.put(f"{name}.", TTL, "MX", f"10 {name}.")
        secret = secrets.token_bytes(32)
        demo.write_secret(self.tsig_path, secret)
        keys = {name: _key(f"owner-of-{name}", secrets.token_bytes(32)) for name in zones}
        keys[DOMAIN] = _key("cutover", secret)
        self.zones = zones
        self.primary = Primary(where.primary, where.dns_port, zones, keys)
        self.servers["dns-primary"] = self.primary.server
        for number, (address, lag) in enumerate(zip(where.secondaries, LAGS, strict=True), 1):
            origins = [f"{name}." for name in zones]
            source = (where.primary, where.dns_port)
            secondary = Secondary(f"dns secondary {number}", address, where.dns_port, source, origins, lag)
            self.secondaries.append(secondary)
            self.servers[f"dns-secondary-{number}"] = secondary.server
        authorities = [(address, where.dns_port) for address in where.authorities]
        for number, address in enumerate(where.resolvers, 1):
            stale = STALE_FOR if number == len(where.resolvers) else 0.0
            resolver = Resolver(f"resolver {number}", address, where.dns_port, authorities, stale)
            self.resolvers.append(resolver)
            self.servers[f"resolver-{number}"] = resolver.server

    async def _owner(self, client: str) -> None:
        """The third party: some seconds after a letter reached it, it points its zone at the new host."""
        boxes = [host.home / "var/owners" / client for host in self.hosts.values()]
        read = 0
        while True:
            await asyncio.sleep(0.3)
            size = sum(box.stat().st_size for box in boxes if box.exists())
            if size > read:
                read = size
                await asyncio.sleep(self.owner_delay)
                self.owner_changes(client, "new")

    def owner_changes(self, client: str, side: str) -> None:
        """The owner of a zone points it at the old or new host. Raises LabError for a zone nobody else owns."""
        zone = self.zones.get(f"{client}.{DOMAIN}")
        if zone is None or side not in self.hosts:
            raise LabError(f"{client} has no zone of its own; {', '.join(demo.OWN_DNS)} has")
        zone.put(f"{client}.{DOMAIN}.", TTL, "A", self.hosts[side].address)
        zone.serial += 1

    async def kill(self, name: str) -> None:
        """Stop a server as if its process was killed. Raises LabError."""
        server = self._server(name)
        if name not in self.down:
            self.down.add(name)
            await server.stop()

    async def restart(self, name: str) -> None:
        """Start a killed server again. Raises LabError, OSError."""
        server = self._server(name)
        if name in self.down:
            await server.start()
            self.down.discard(name)

    def _server(self, name: str) -> Server:
        if name not in self.servers:
            raise LabError(f"the lab has no server {name}; it has {', '.join(self.servers)}")
        return self.servers[name]

    async def _stop(self) -> None:
        for host in self.hosts.values():
            host.thawed.set()
        for server in self.servers.values():
            await server.stop()
        for resolver in self.resolvers:
            await resolver.close()
        await asyncio.to_thread(_end_jobs, self.id)


class _Tasks:
    """Endless tasks that end together with their block."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        self._tasks.append(asyncio.create_task(work))

    async def __aenter__(self) -> _Tasks:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _key(name: str, secret: bytes) -> dns.tsig.Key:
    return dns.tsig.Key(dns.name.from_text(name), secret, dns.tsig.HMAC_SHA256)


def _end_jobs(lab: str) -> None:
    """End what detached jobs of this lab still run; they carry its id in their environment (Linux shows that)."""
    mark = f"LAB_ID={lab}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in entry.read_bytes().split(b"\0") and int(entry.parent.name) != os.getpid():
                os.kill(int(entry.parent.name), signal.SIGKILL)
