"""Free loopback addresses and ports for one lab.

One port for each protocol, the same at every address: so one URL with a port reaches old, new or whatever the world resolves.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

import msgspec


class LabError(Exception):
    """The lab cannot start or do what was asked; the text is a sentence for the user."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything of one lab listens."""

    block: str
    """The first three octets, `127.A.B`."""
    ssh_port: int
    http_port: int
    smtp_port: int
    dns_port: int

    @property
    def old(self) -> str:
        return f"{self.block}.1"

    @property
    def new(self) -> str:
        return f"{self.block}.2"

    @property
    def primary(self) -> str:
        return f"{self.block}.3"

    @property
    def secondaries(self) -> tuple[str, ...]:
        return (f"{self.block}.4", f"{self.block}.5")

    @property
    def authorities(self) -> tuple[str, ...]:
        return (self.primary, *self.secondaries)

    @property
    def resolvers(self) -> tuple[str, ...]:
        return tuple(f"{self.block}.{last}" for last in range(11, 15))

    def visitor(self, index: int) -> str:
        """The source address of one of the clients of the world."""
        return f"{self.block}.{101 + index % 100}"

    def at(self, address: str, port: int) -> str:
        return f"{address}:{port}"


def choose(attempts: int = 40) -> Addresses:
    """A block in which every address and port can be bound now. Raises LabError where the system has only 127.0.0.1."""
    for _ in range(attempts):
        block = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}"
        try:
            return _ports(block)
        except OSError as error:
            last = error
    raise LabError(
        f"no loopback address beside 127.0.0.1 can be used here ({last.strerror or last}). The lab needs a block such as "
        "127.20.30.x: Linux has it as it comes; on macOS add each address with `ifconfig lo0 alias 127.20.30.1`."
    )


def _ports(block: str) -> Addresses:
    hosts = [f"{block}.1", f"{block}.2"]
    names = [f"{block}.{last}" for last in (3, 4, 5, 11, 12, 13, 14)]
    with ExitStack() as held:
        ssh, http, smtp = (_common(held, hosts, (socket.SOCK_STREAM,)) for _ in range(3))
        dns = _common(held, names, (socket.SOCK_DGRAM, socket.SOCK_STREAM))
    return Addresses(block=block, ssh_port=ssh, http_port=http, smtp_port=smtp, dns_port=dns)


def _common(held: ExitStack, addresses: list[str], kinds: tuple[socket.SocketKind, ...]) -> int:
    """A port free at every address, kept bound until `held` closes so that two protocols never get the same one."""
    port = 0
    for address in addresses:
        for kind in kinds:
            sock = held.enter_context(socket.socket(socket.AF_INET, kind))
            sock.bind((address, port))
            port = sock.getsockname()[1]
    return port
