"""An address that one of two hosts holds: a small VRRP (RFC 9568) on loopback, in Python.

Each host has a keeper. It asks its own host's health page over HTTP, and while that says `true` it is a candidate. The master
listens for the web server at the address and tells its peer so, ten times a second, with its priority. A candidate becomes master
when it hears nothing for some time, or somebody of lower priority; a master whose page says anything else lets go of the address
and says so with priority 0. What a kernel does with ARP is missing here: the address is held by whoever can bind it, and the
kernel lets only one do that. Who is master stands in the host's `var/run/addresses`, which its `ip -o addr show` tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import msgspec

from cockpit.lab.host import LabHost
from cockpit.lab.web import WebServer

INTERVAL = 0.1
SILENCE = 0.6
"""Seconds without a word after which the master is taken for dead. Longer than a busy machine holds its breath."""
TIMEOUT = 5.0
"""A slow check on a busy machine is none that failed."""
ADVERT = struct.Struct("!4sB")
MAGIC = b"VRRP"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What a keeper needs to know of its own side and of the other."""

    address: str
    """The address that is held."""
    peer: str
    port: int
    """Where keepers hear each other, over UDP."""
    priority: int
    health: str
    """The path of the health page."""


class Keeper:
    """One host's keeper, one of the lab's servers: start and stop it like any other."""

    def __init__(self, host: LabHost, web: WebServer, http_port: int, side: Side) -> None:
        self.name = f"keepalived on {host.id}"
        self._host = host
        self._web = web
        self._http_port = http_port
        self._side = side
        self._healthy = False
        self._heard = 0.0
        self._above = False
        """Whether the last word came from somebody of higher priority."""
        self._noted: bool | None = None
        self._socket: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def master(self) -> bool:
        """Whether its host holds the address now."""
        return self._side.address in self._web.held

    async def start(self) -> None:
        """Watch the health page, hear the peer, and hold the address when it is ours. Raises OSError."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((self._host.address, self._side.port))
        self._heard = asyncio.get_running_loop().time()
        self._tasks = [asyncio.create_task(work) for work in (self._watch(), self._hear(), self._hold())]

    async def stop(self) -> None:
        """As when the daemon is killed: the address goes with it, without a word to the peer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._let_go()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _watch(self) -> None:
        while True:
            self._healthy = await self._asked()
            await asyncio.sleep(INTERVAL)

    async def _asked(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(self._host.address, self._http_port)
                try:
                    writer.write(
                        f"GET {self._side.health} HTTP/1.1\r\nHost: {self._host.fqdn}\r\nConnection: close\r\n\r\n".encode()
                    )
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        head, _, body = answer.partition(b"\r\n\r\n")
        return b" 200 " in head.partition(b"\r\n")[0] and body.strip() == b"true"

    async def _hear(self) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        while True:
            data, peer = await loop.sock_recvfrom(self._socket, 64)
            if peer[0] != self._side.peer or len(data) != ADVERT.size or not data.startswith(MAGIC):
                continue
            priority = ADVERT.unpack(data)[1]
            self._above = priority > self._side.priority
            # Priority 0 says that the master has let go: nobody has to wait for its silence.
            self._heard = loop.time() if priority else 0.0

    async def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silent = loop.time() - self._heard > SILENCE
            if self.master:
                if not self._healthy:
                    await self._let_go()
                    self._say(0)
                elif self._above and not silent:
                    await self._let_go()
                else:
                    self._say(self._side.priority)
            elif self._healthy and (silent or not self._above):
                await self._take()
            self._note()
            await asyncio.sleep(INTERVAL)

    async def _take(self) -> None:
        self._say(self._side.priority)
        # The other may not have let go yet.
        with contextlib.suppress(OSError):
            await self._web.hold(self._side.address)
            self._note()
            self._host.log("keepalived.log", f"{self._host.name} holds {self._side.address}")

    async def _let_go(self) -> None:
        if self.master:
            await self._web.let_go(self._side.address)
            self._note()
            self._host.log("keepalived.log", f"{self._host.name} has let go of {self._side.address}")

    def _note(self) -> None:
        if self._noted != self.master:
            self._noted = self.master
            self._host.put("var/run/addresses", f"{self._side.address}\n" if self.master else "")

    def _say(self, priority: int) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(ADVERT.pack(MAGIC, priority), (self._side.peer, self._side.port))
