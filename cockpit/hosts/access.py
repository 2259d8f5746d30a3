"""How we get in: the options of a connection, its keys and agents, and what only a person knows, asked once and kept in memory.

Nothing is asked in the middle of a handshake: what a server would take is noted, asked for, and tried with the next connection.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import asyncssh

from cockpit.hosts.hostkey import Offered, Trust
from cockpit.hosts.sshconfig import FAMILIES, Settings

CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
"""GCM first: it carries more than twice as much as the others here."""


class Asks(Protocol):
    """Asks a person. The same name is asked once and remembered in memory only."""

    async def ask(self, name: str, question: str) -> str:
        """A secret. Raises an exception with a sentence when nobody answers."""
        ...

    async def confirm(self, name: str, question: str) -> bool:
        """A decision that a bare key press must not make."""
        ...

    def forget(self, name: str) -> None:
        """The answer was wrong: it is asked for anew."""
        ...


class Wanted(Exception):
    """The connection needs something of a person first; `name` and `question` as `Asks` takes them."""

    def __init__(self, name: str, question: str) -> None:
        super().__init__(question)
        self.name = name
        self.question = question


class Refused(Exception):
    """The server took none of what we have. The sentence says what was tried."""


class Access:
    """What we know that opens hosts: passphrases and passwords by name, in memory only."""

    def __init__(self, asks: Asks | None) -> None:
        self._asks = asks
        self._known: dict[str, str] = {}
        self._keys: dict[str, asyncssh.SSHKey] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    def password(self, name: str) -> str | None:
        """What a person said under that name."""
        return self._known.get(name)

    def forget(self, name: str, tried: str | None) -> None:
        """That was wrong; what a person has said since may be right."""
        if self._known.get(name) == tried:
            self._known.pop(name, None)
            if self._asks is not None:
                self._asks.forget(name)

    async def learn(self, wanted: Wanted) -> None:
        """Ask a person. Raises Refused when there is nobody to ask, or no answer."""
        if self._asks is None:
            raise Refused(f"it takes none of our keys; {wanted.question}, and there is nobody to ask")
        async with self._asking.setdefault(wanted.name, asyncio.Lock()):
            if wanted.name in self._known:
                return  # Another link has asked in the meantime.
            try:
                self._known[wanted.name] = await self._asks.ask(wanted.name, wanted.question)
            except Exception as error:
                raise Refused(f"{wanted.question}: {error}") from None

    async def confirm(self, name: str, question: str) -> bool:
        """Whether a person says so; without anybody to ask, no."""
        if self._asks is None:
            return False
        try:
            return await self._asks.confirm(name, question)
        except Exception:
            return False

    async def keys(self, settings: Settings) -> tuple[list[asyncssh.SSHKeyPair], list[str]]:
        """Our keys for a host that can be used at once, with their certificates, and the files of those that need a
        passphrase."""
        ready: list[asyncssh.SSHKeyPair] = []
        locked: list[str] = []
        for file in settings.identity_files:
            if not Path(file).exists() or Path(file).suffix == ".pub":
                continue
            try:
                key = self._keys.get(file)
                if key is None:
                    known = self._known.get(_passphrase(file))
                    key = await asyncio.to_thread(asyncssh.read_private_key, file, known)
            except asyncssh.KeyImportError as error:
                if "passphrase" not in str(error).lower():
                    raise
                locked.append(file)
                continue
            except asyncssh.KeyEncryptionError:
                self.forget(_passphrase(file), known)
                locked.append(file)
                continue
            self._keys[file] = key
            ready += self._pairs(file, key, settings)
        return ready, locked

    def _pairs(self, file: str, key: asyncssh.SSHKey, settings: Settings) -> list[asyncssh.SSHKeyPair]:
        own = f"{file}-cert.pub"
        certificates = [
            certificate
            for name in (*settings.certificate_files, *([own] if Path(own).exists() else []))
            for certificate in asyncssh.load_certificates(name)
            if certificate.key == key.convert_to_public()
        ]
        return [asyncssh.load_keypairs([(key, one)])[0] for one in certificates] + list(asyncssh.load_keypairs([key]))

    async def options(self, settings: Settings, client: Client) -> dict[str, Any]:
        """What `asyncssh.connect` takes to reach the host. `client` decides about host keys and passwords."""
        ready, locked = await self.keys(settings)
        client.locked = locked
        agent = (
            None if settings.identity_agent == "none" else settings.identity_agent or os.environ.get("SSH_AUTH_SOCK")
        )
        options: dict[str, Any] = {
            "config": None,
            "host": settings.hostname,
            "port": settings.port,
            "username": settings.user,
            "known_hosts": client.trust.known(),
            "host_key_alias": settings.alias or settings.asked,
            "client_factory": lambda: client,
            "client_keys": _Keys(ready),
            "agent_path": agent,
            "keepalive_interval": settings.alive_every or 5,
            "keepalive_count_max": settings.alive_count if settings.alive_every else 3,
            "encryption_algs": settings.algorithms.get("ciphers", CIPHERS),
            "family": FAMILIES.get(settings.family, 0),
            "gss_auth": False,
            "gss_kex": False,
        }
        for word, name in (
            ("hostkeyalgorithms", "server_host_key_algs"),
            ("kexalgorithms", "kex_algs"),
            ("macs", "mac_algs"),
        ):
            if word in settings.algorithms:
                options[name] = settings.algorithms[word]
        if settings.methods:
            options["preferred_auth"] = settings.methods
        if settings.bind:
            options["local_addr"] = (settings.bind, 0)
        if settings.proxy:
            options["proxy_command"] = ["/bin/sh", "-c", f"exec {settings.proxy}"]
        if agent and settings.identities_only:
            only = _public(settings)
            options["agent_identities"] = only or None
            options["agent_path"] = agent if only else None
        return options


class _Keys(list[asyncssh.SSHKeyPair]):
    """Given an empty list, asyncssh loads the keys of ~/.ssh by itself; this one is never false."""

    def __bool__(self) -> bool:
        return True


class Client(asyncssh.SSHClient):
    """Our side of one handshake: notes what the server showed and what it would have taken."""

    def __init__(self, trust: Trust, access: Access, settings: Settings, name: str) -> None:
        self.trust = trust
        self.offered: Offered | None = None
        self.locked: list[str] = []
        self.wanted: Wanted | None = None
        self.lost: Exception | None = None
        """Why the connection ended, once it has; None when the server closed it."""
        self._access = access
        self._settings = settings
        self._login = f"password of {settings.user} on {name}"
        self._tried = False
        self._challenged = False

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = self.trust.judge(host, addr, port, key)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = self.trust.judge(host, addr, port, key)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc

    def public_key_auth_requested(self) -> None:
        """All keys that were ready were refused: one that needs a passphrase may be the right one."""
        if self.locked and self.wanted is None:
            file = self.locked[0]
            self.wanted = Wanted(_passphrase(file), f"the key {file} needs its passphrase")

    def password_auth_requested(self) -> str | None:
        return self._password()

    def kbdint_auth_requested(self) -> str | None:
        # Once: a server that takes none of it offers the method again and again.
        if not self._settings.passwords or self._challenged:
            return None
        self._challenged = True
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []
        password = self._password() if len(prompts) == 1 and not prompts[0][1] else None
        return None if password is None else [password]

    def _password(self) -> str | None:
        if not self._settings.passwords:
            return None
        known = self._access.password(self._login)
        if known is not None and not self._tried:
            self._tried = True
            return known
        if known is not None:
            self._access.forget(self._login, known)
        if self.wanted is None:
            self.wanted = Wanted(self._login, f"{self._login} is needed")
        return None


def _passphrase(file: str) -> str:
    return f"passphrase of {file}"


def _public(settings: Settings) -> list[Any]:
    """The public halves of the configured keys: of an agent's keys, only these are used."""
    found: list[Any] = []
    for file in settings.identity_files:
        public = Path(file if file.endswith(".pub") else f"{file}.pub")
        if public.exists():
            found.append(asyncssh.read_public_key(public))
    for file in settings.certificate_files:
        if Path(file).exists():
            found += asyncssh.load_certificates(file)
    return found
