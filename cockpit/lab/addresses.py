"""Free loopback addresses and ports for one lab.

One port for each protocol, the same at every address: so one URL with a port reaches old, new or whatever the world resolves.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

import msgspec

HOSTS = (10, 20)
AUTHORITIES = (53, 54, 55)
RESOLVERS = (61, 62, 63, 64)
SERVICE = 100
"""The last octet of an address that moves from host to host."""
USUAL = ("ssh", "http", "smtp")


class LabError(Exception):
    """The lab cannot start or do what was asked; the text is a sentence for the user."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything of one lab listens."""

    block: str
    """The first three octets, `127.A.B`."""
    ports: dict[str, int]
    """By name: ssh, http, smtp, dns, and those that a stage has asked for."""

    @property
    def ssh_port(self) -> int:
        """Where SSH listens at each host."""
        return self.ports["ssh"]

    @property
    def http_port(self) -> int:
        """Where web servers listen at each host."""
        return self.ports["http"]

    @property
    def smtp_port(self) -> int:
        """Where mail servers listen at each host."""
        return self.ports["smtp"]

    @property
    def dns_port(self) -> int:
        """Where authorities and resolvers listen, over UDP and TCP."""
        return self.ports["dns"]

    @property
    def old(self) -> str:
        """The address of the usual first host."""
        return self.host(HOSTS[0])

    @property
    def new(self) -> str:
        """The address of the usual second host."""
        return self.host(HOSTS[1])

    @property
    def service(self) -> str:
        """The address that moves from host to host."""
        return self.host(SERVICE)

    @property
    def primary(self) -> str:
        """The name server that takes updates."""
        return self.host(AUTHORITIES[0])

    @property
    def secondaries(self) -> tuple[str, ...]:
        """The name servers that follow the primary."""
        return tuple(self.host(last) for last in AUTHORITIES[1:])

    @property
    def authorities(self) -> tuple[str, ...]:
        """All name servers of the zones, the primary first."""
        return (self.primary, *self.secondaries)

    @property
    def resolvers(self) -> tuple[str, ...]:
        """The resolvers that the world asks."""
        return tuple(self.host(last) for last in RESOLVERS)

    def host(self, last: int) -> str:
        """The address with this last octet."""
        return f"{self.block}.{last}"

    def port(self, name: str) -> int:
        """The port of that name."""
        return self.ports[name]

    def visitor(self, index: int) -> str:
        """The source address of one of the clients of the world."""
        return self.host(101 + index % 100)


def choose(hosts: tuple[int, ...] = HOSTS, more: tuple[str, ...] = (), attempts: int = 40) -> Addresses:
    """A block in which every address and port can be bound now: the usual ports at hosts with these last octets, and one for
    each name in `more`. Raises LabError where the system has only 127.0.0.1."""
    for _ in range(attempts):
        block = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}"
        try:
            return _ports(block, hosts, more)
        except OSError as error:
            last = error
    raise LabError(
        f"no loopback address beside 127.0.0.1 can be used here ({last.strerror or last}). The lab needs a block such as "
        "127.20.30.x: Linux has it as it comes; on macOS add each address with `ifconfig lo0 alias 127.20.30.10`."
    )


def _ports(block: str, hosts: tuple[int, ...], more: tuple[str, ...]) -> Addresses:
    homes = [f"{block}.{last}" for last in hosts]
    names = [f"{block}.{last}" for last in (*AUTHORITIES, *RESOLVERS)]
    with ExitStack() as held:
        ports = {name: _common(held, homes, (socket.SOCK_STREAM,)) for name in (*USUAL, *more)}
        ports["dns"] = _common(held, names, (socket.SOCK_DGRAM, socket.SOCK_STREAM))
    return Addresses(block=block, ports=ports)


def _common(held: ExitStack, addresses: list[str], kinds: tuple[socket.SocketKind, ...]) -> int:
    """A port free at every address, kept bound until `held` closes so that two protocols never get the same one."""
    port = 0
    for address in addresses:
        for kind in kinds:
            sock = held.enter_context(socket.socket(socket.AF_INET, kind))
            sock.bind((address, port))
            port = sock.getsockname()[1]
    return port
