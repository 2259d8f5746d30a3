"""SSH: the server's banner and host key, and where the plan has an account, a login that runs `true`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import asyncssh
import msgspec

from cockpit.hosts.hostkey import Offered, Trust
from cockpit.plan.model import Host
from cockpit.plan.target import Target
from cockpit.probes.plain.tcp import reason
from cockpit.probes.seen import Seen, since
from cockpit.text import harmless


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to log in as, and with what: a password, or a private key (its text, or files)."""

    user: str
    password: str = ""
    key: str = ""
    files: tuple[str, ...] = ()


def account(user: str, secret: str, hosts: Sequence[Host]) -> Account:
    """An account from a secret's value: the text of a private key, or a password; without one, the keys of these hosts."""
    if "PRIVATE KEY-----" in secret:
        return Account(user=user, key=secret)
    files = () if secret else tuple(host.identity_file for host in hosts if host.identity_file)
    return Account(user=user, password=secret, files=files)


class Trusted:
    """The keys of several hosts, of which any may answer: each is trusted by its own pin or its own file, not by another's."""

    def __init__(self, each: Sequence[Trust]) -> None:
        self._each = tuple(each)

    def known(self) -> object:
        """What asyncssh takes for `known_hosts`; never its None, which would trust everybody."""
        return self._match

    def _match(
        self, name: str, address: str, port: int | None
    ) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """(keys, authorities, revoked ones), as asyncssh asks for them."""
        keys: list[asyncssh.SSHKey] = []
        authorities: list[asyncssh.SSHKey] = []
        revoked: list[asyncssh.SSHKey] = []
        for trust in self._each:
            found: Any = asyncssh.match_known_hosts(cast(Any, trust.known()), name, address, port)
            keys += found[0]
            authorities += found[1]
            revoked += found[2]
        return keys, authorities, revoked

    def judge(self, name: str, address: str, port: int, key: asyncssh.SSHKey) -> Offered | None:
        """What is to be said of a key that none of the hosts is trusted by; None without any host."""
        said = [trust.judge(name, address, port, key) for trust in self._each]
        for standing in ("revoked", "changed", "unknown"):
            those = [offered for offered in said if offered.standing == standing]
            if those:
                expected = dict.fromkeys(one for offered in those for one in offered.expected)
                return msgspec.structs.replace(those[0], expected=tuple(expected))
        return None


def trust(hosts: Sequence[Host]) -> Trusted:
    """The keys that these hosts may show, each its own: the one that the plan pins, else what its known_hosts file holds."""
    usual = str(Path.home() / ".ssh/known_hosts")
    return Trusted(tuple(Trust(host.host_key, (host.known_hosts or usual,)) for host in hosts))


async def probe(target: Target, address: str, wants: str, timeout: float, login: Account | None, keys: Trusted) -> Seen:
    """Banner and host key of `address`; with `login`, the login as well, once the host key is one of `keys`: nothing is said
    to a stranger. `wants` is a text that the banner must hold. Never raises for what the server does."""
    began = time.monotonic()
    client = _Client(keys, login)
    detail = ""
    try:
        async with asyncio.timeout(timeout):
            detail = await _asked(target, address, login, client)
    except TimeoutError:
        detail = f"no {'login' if client.key else 'host key' if client.version else 'banner'} within {timeout:g} s"
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        detail = f"no login: the key cannot be read: {harmless(str(error), 120)}"
    except asyncssh.HostKeyNotVerifiable:
        detail = _stranger(client.offered) if login is not None else ""
    except asyncssh.PermissionDenied as error:
        detail = f"the login is refused: {harmless(error.reason, 120)}"
    except asyncssh.Error as error:
        detail = f"it is no SSH server: {harmless(error.reason, 120)}"
    except OSError as error:
        detail = f"no connection: {reason(error)}" if not client.version else f"the server broke off: {reason(error)}"
    except ValueError as error:
        detail = harmless(str(error), 200)
    finally:
        client.leave()
    if not detail and wants and wants not in client.version:
        detail = f"the banner lacks {wants!r}: {client.version}"
    good = f"{client.version}, {'logged in' if login is not None else client.key}"
    return Seen(
        ok=not detail,
        ms=since(began),
        detail=detail or good,
        via=address,
        body=client.version,
        facts={name: value for name, value in (("banner", client.version), ("hostkey", client.key)) if value},
    )


async def _asked(target: Target, address: str, login: Account | None, client: _Client) -> str:
    """What is wrong, '' when nothing is. Raises what asyncssh raises."""
    options: dict[str, object] = {"client_keys": None, "agent_path": None}
    if login is not None and login.password:
        options["preferred_auth"] = "password,keyboard-interactive"
    elif login is not None:
        made = await asyncio.to_thread(_keys, login)
        if not made:
            return "no login: the plan gives it no secret, and its hosts have no identity_file"
        options |= {"client_keys": made, "preferred_auth": "publickey"}
    connection = await asyncssh.connect(
        address,
        target.port,
        username=login.user if login is not None else "probe",
        known_hosts=client.keys.known() if login is not None else ([], [], []),
        host_key_alias=target.name,
        client_factory=lambda: client,
        config=None,
        gss_auth=False,
        gss_kex=False,
        **options,
    )
    async with connection:
        if login is None:
            return ""
        ran = await connection.run("true", encoding=None)
        if ran.exit_status != 0:
            return f"logged in, but `true` ended with {ran.exit_status}"
        connection.abort()
    return ""


def _keys(login: Account) -> list[asyncssh.SSHKey]:
    if login.key:
        return [asyncssh.import_private_key(login.key)]
    return [asyncssh.read_private_key(file) for file in login.files]


class _Client(asyncssh.SSHClient):
    """Notes what the server shows; without a login it goes no further than the host key."""

    def __init__(self, keys: Trusted, login: Account | None) -> None:
        self.keys = keys
        self.version = ""
        self.key = ""
        self.offered: Offered | None = None
        self._login = login
        self._tried = 0
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def leave(self) -> None:
        """End the connection at once, whatever it does."""
        if self._connection is not None:
            self._note()
            self._connection.abort()

    def _note(self) -> None:
        connection = self._connection
        if connection is not None:
            self.version = self.version or harmless(connection.get_extra_info("server_version") or "", 200)
            key = connection.get_server_host_key()
            if key is not None and not self.key:
                self.key = f"{key.get_algorithm()} {key.get_fingerprint()}"

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self._note()
        self.key = f"{key.get_algorithm()} {key.get_fingerprint()}"
        if self._login is not None:
            self.offered = self.keys.judge(host, addr, port, key)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self.validate_host_public_key(host, addr, port, key)

    def password_auth_requested(self) -> str | None:
        self._tried += 1
        return self._login.password if self._login is not None and self._tried == 1 else None

    def kbdint_auth_requested(self) -> str | None:
        self._tried += 1
        return "" if self._tried <= 2 else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []
        hidden = len(prompts) == 1 and not prompts[0][1]
        return [self._login.password] if hidden and self._login is not None else None


def _stranger(offered: Offered | None) -> str:
    if offered is None:
        return "its host key is not known; no login was tried"
    if offered.expected:
        return f"its host key should be {' or '.join(offered.expected)}, it is {offered.found}; no login was tried"
    return (
        f"its host key {offered.found} is not known; pin it as the host's host_key or add it to known_hosts; "
        "no login was tried"
    )
