"""A whole lab: builds a stage's hosts, starts every server and the world's people, writes the plan, takes it all down."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import asyncssh
import dns.name
import dns.tsig
import msgspec

from cockpit.lab.account import Account, account
from cockpit.lab.addresses import Addresses, LabError, choose
from cockpit.lab.host import LabHost, keep_private
from cockpit.lab.mail import MailServer
from cockpit.lab.names import Primary, Resolver, Secondary
from cockpit.lab.ssh import SshServer
from cockpit.lab.stage import Server, Stage
from cockpit.lab.traffic import Tally
from cockpit.lab.web import WebServer
from cockpit.lab.zone import Zone

DRAIN = 3.0
"""Seconds at the end for what is on its way between the hosts."""


class Lab:
    """A running lab. `async with Lab.open(stage, folder) as lab`; every attribute stays the same for its life."""

    def __init__(self, folder: Path, where: Addresses, stage: Stage) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.folder = folder
        self.where = where
        self.stage = stage
        self.plan_path = folder / f"{stage.name}.yaml"
        self.operator_key_path = folder / "keys/operator"
        self.known_hosts_path = folder / "keys/known_hosts"
        self.tsig_path = folder / "keys/cutover.key"
        self.control_path = folder / "control.sock"
        self.tally_path = folder / "tally.json"
        self.hosts = {
            place.id: LabHost(
                place.id, place.name, where.host(place.last), folder / place.id, stage.domain, stage.login
            )
            for place in stage.hosts
        }
        self.tally = Tally(*stage.kinds)
        self.ssh: dict[str, SshServer] = {}
        self.web: dict[str, WebServer] = {}
        self.servers: dict[str, Server] = {}
        """Every server by name: `ssh-old`, `web-new`, `mail-old`, `dns-primary`, `dns-secondary-1`, `resolver-4`, …"""
        self.down: set[str] = set()
        self.public_keys: dict[str, str] = {}
        """Host keys by host, as one line of text."""
        self.zones: dict[str, Zone] = {}
        self.primary: Primary
        self.secondaries: list[Secondary] = []
        self.resolvers: list[Resolver] = []

    @property
    def old(self) -> LabHost:
        """The host that the plan calls old. Raises KeyError in a stage without one."""
        return self.hosts["old"]

    @property
    def new(self) -> LabHost:
        """The host that the plan calls new. Raises KeyError in a stage without one."""
        return self.hosts["new"]

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, stage: Stage, folder: Path | None = None, *, traffic: bool = True) -> AsyncIterator[Lab]:
        """Start a stage in `folder` (a temporary one, removed at the end, when None). Raises LabError."""
        own = folder is None
        home = Path(tempfile.mkdtemp(prefix="cockpit-lab-")) if folder is None else folder
        try:
            home.mkdir(parents=True, exist_ok=True)
            where = choose(tuple(place.last for place in stage.hosts), stage.ports)
            lab = cls(home.resolve(), where, stage)
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
        keys = {id: asyncssh.generate_private_key("ssh-ed25519") for id in (*self.hosts, "operator")}
        self.public_keys = {id: key.export_public_key().decode().strip() for id, key in keys.items()}
        self.operator_key_path.touch(mode=0o600)
        keys["operator"].write_private_key(self.operator_key_path)
        keys["operator"].write_public_key(self.operator_key_path.with_suffix(".pub"))
        self.known_hosts_path.write_text(
            "".join(
                f"[{host.address}]:{self.where.ssh_port} {self.public_keys[id]}\n" for id, host in self.hosts.items()
            )
        )
        plan = self.stage.plan(self)
        await asyncio.to_thread(self._build)
        self._names()
        for id, host in self.hosts.items():
            self.ssh[id] = SshServer(host, self.where.ssh_port, self.id, keys[id], keys["operator"])
            self.servers[f"ssh-{id}"] = self.ssh[id]
            if site := self.stage.site(self, host):
                self.web[id] = WebServer(host, self.where.http_port, site)
                self.servers[f"web-{id}"] = self.web[id]
            if post := self.stage.post(self, host):
                self.servers[f"mail-{id}"] = MailServer(host, self.where.smtp_port, post)
        self.servers |= self.stage.servers(self)
        for server in self.servers.values():
            await server.start()
        for secondary in self.secondaries:
            for zone in secondary.zones:
                await secondary.refresh(zone)
        if traffic:
            stack.push_async_callback(self._settle)
        group = await stack.enter_async_context(_Tasks())
        group.add(*(secondary.follow() for secondary in self.secondaries))
        group.add(*self.stage.works(self))
        if traffic:
            people = await stack.enter_async_context(_Tasks())
            people.add(*self.stage.people(self, self.tally))
        for name, text in plan.recipes.items():
            (self.folder / "recipes").mkdir(exist_ok=True)
            (self.folder / "recipes" / name).write_text(text, encoding="utf-8")
        self.plan_path.write_text(plan.text, encoding="utf-8")

    def _build(self) -> None:
        for host in self.hosts.values():
            host.build(self.stage.folders)
            host.configure(self.where.smtp_port)
        self.stage.furnish(self)

    def _names(self) -> None:
        where, zones = self.where, self.stage.zones(self)
        if not zones:
            return
        secret = secrets.token_bytes(32)
        keep_private(self.tsig_path, base64.b64encode(secret).decode() + "\n")
        ours, *theirs = zones
        keys = {name: _key(f"owner-of-{name}", secrets.token_bytes(32)) for name in theirs}
        keys[ours] = _key("cutover", secret)
        self.zones = zones
        self.primary = Primary(where.primary, where.dns_port, zones, keys)
        self.servers["dns-primary"] = self.primary.server
        for number, (address, lag) in enumerate(zip(where.secondaries, self.stage.lags, strict=True), 1):
            origins = [f"{name}." for name in zones]
            source = (where.primary, where.dns_port)
            secondary = Secondary(f"dns secondary {number}", address, where.dns_port, source, origins, lag)
            self.secondaries.append(secondary)
            self.servers[f"dns-secondary-{number}"] = secondary.server
        authorities = [(address, where.dns_port) for address in where.authorities]
        for number, address in enumerate(where.resolvers, 1):
            stale = self.stage.stale_for if number == len(where.resolvers) else 0.0
            resolver = Resolver(f"resolver {number}", address, where.dns_port, authorities, stale)
            self.resolvers.append(resolver)
            self.servers[f"resolver-{number}"] = resolver.server

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

    async def _settle(self) -> None:
        """Nobody comes any more: let what is on its way arrive, and write down what became of everything."""
        ends = asyncio.get_running_loop().time() + DRAIN
        while (said := await self.account()).waiting or not said.clean:
            if asyncio.get_running_loop().time() > ends:
                break
            await asyncio.sleep(0.2)
        with contextlib.suppress(OSError):
            told = {"sentence": said.sentence(), **msgspec.to_builtins(said)}
            self.tally_path.write_bytes(msgspec.json.encode(told))

    async def account(self) -> Account:
        """What became of everything that people did so far."""
        return account(self.tally, await asyncio.to_thread(self.stage.kept, self))

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

    def add(self, *works: Coroutine[Any, Any, None]) -> None:
        self._tasks += [asyncio.create_task(work) for work in works]

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
