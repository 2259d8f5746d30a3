"""Making a connection to a host: through its jump hosts, to the right key or not at all, with what a person must say first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncssh
import msgspec

from cockpit.events import Event, HostSeen
from cockpit.hosts import sshconfig
from cockpit.hosts.access import Access, Client, Refused, Wanted
from cockpit.hosts.errors import WrongHost
from cockpit.hosts.hostkey import Trust, refusal
from cockpit.hosts.line import Line
from cockpit.plan.model import Host
from cockpit.text import harmless

HANDSHAKE = 20.0
"""Seconds for a connection, and for a channel."""


class Others(msgspec.Struct, frozen=True):
    """What the plan says of all its hosts, by id, to tell a swap: pinned key fingerprints and machine-ids."""

    prints: Mapping[str, tuple[str, ...]] = {}
    machines: Mapping[str, str] = {}


class Dialler:
    """Makes connections to one host. `handshakes` bounds how many are made at once over all hosts."""

    def __init__(
        self,
        host: Host,
        emit: Callable[[Event], None],
        handshakes: asyncio.Semaphore,
        access: Access,
        others: Others,
    ) -> None:
        self.host = host
        self._emit = emit
        self._handshakes = handshakes
        self._access = access
        self._others = others
        self._settings: sshconfig.Settings | None = None

    async def connect(self) -> Line:
        """One connection more, through the jump hosts. Asks a person for what is missing, and tries again with it. Raises
        WrongHost, Unreachable, Refused and what asyncssh raises."""
        asked: Counter[str] = Counter()
        while True:
            try:
                return await self._attempt()
            except Wanted as wanted:
                asked[wanted.name] += 1
                if asked[wanted.name] > 3:
                    raise Refused(f"{wanted.question}: what was given was refused three times") from None
                self._emit(HostSeen(host=self.host.id, link="connecting", detail=f"waits for you: {wanted.question}"))
                await self._access.learn(wanted)

    async def _attempt(self) -> Line:
        config = self.host.ssh_config
        settings = await self._look_up()
        hops: list[asyncssh.SSHClientConnection] = []
        try:
            for jump in settings.jumps:
                through = await sshconfig.look_up(jump, config)
                trust = Trust("", through.known_hosts)
                hops.append(await self._handshake(through, trust, hops[-1] if hops else None, jump))
            trust = Trust(
                self.host.host_key, (self.host.known_hosts,) if self.host.known_hosts else settings.known_hosts
            )
            connection = await self._handshake(settings, trust, hops[-1] if hops else None, self.host.id)
        except BaseException:
            for hop in hops:
                hop.abort()
            raise
        return Line(connection, hops)

    async def _look_up(self) -> sshconfig.Settings:
        if self._settings is None:
            found = await sshconfig.look_up(self.host.ssh, self.host.ssh_config)
            if self.host.identity_file:
                if not Path(self.host.identity_file).exists():
                    raise FileNotFoundError(f"{self.host.id}: identity_file {self.host.identity_file}: No such file")
                only = (self.host.identity_file,)
                found = msgspec.structs.replace(found, identity_files=only, identities_only=True)
            self._settings = found
        return self._settings

    @property
    def limits(self) -> tuple[str, ...]:
        """Sentences about what ssh_config asks for and we do not do."""
        return self._settings.limits if self._settings is not None else ()

    async def _handshake(
        self, settings: sshconfig.Settings, trust: Trust, tunnel: asyncssh.SSHClientConnection | None, name: str
    ) -> asyncssh.SSHClientConnection:
        while True:
            client = Client(trust, self._access, settings, name)
            options = await self._access.options(settings, client)
            try:
                # Not asyncio.wait_for: in 3.11 it loses a cancellation that comes together with the result.
                async with self._handshakes, asyncio.timeout(settings.connect_timeout or HANDSHAKE):
                    return await asyncssh.connect(**options, **({} if tunnel is None else {"tunnel": tunnel}))
            except asyncssh.HostKeyNotVerifiable as error:
                offered = client.offered
                if offered is None:
                    raise WrongHost(
                        f"{name}: its host key is refused ({harmless(error.reason, 200)}); nothing was sent"
                    ) from None
                if offered.standing != "unknown" or not await self._first_meeting(name, settings, trust, client):
                    raise WrongHost(refusal(name, offered, self._others.prints)) from None
            except asyncssh.DisconnectError:
                # Refused, or cut off after too many tries.
                if client.wanted is not None:
                    raise client.wanted from None
                raise

    async def _first_meeting(self, name: str, settings: sshconfig.Settings, trust: Trust, client: Client) -> bool:
        """A key that nobody knows yet: only a person who compared its fingerprint can let it in."""
        offered = client.offered
        assert offered is not None
        question = (
            f"{name} ({settings.hostname}) shows a host key for the first time: {offered.found}. "
            "Compare it on the host itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
        )
        self._emit(HostSeen(host=self.host.id, link="connecting", detail=f"waits for you: host key {offered.found}"))
        if not await self._access.confirm(f"host key of {name} {offered.found}", question):
            return False
        trust.accept(settings.alias or settings.asked, settings.port, offered)
        return True
