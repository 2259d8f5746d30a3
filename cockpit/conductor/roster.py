"""Who is attached to a run: each connection with its peer's account, its size and the people in front of it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from cockpit.accounts import account_of
from cockpit.clock import Clock
from cockpit.conductor import wire
from cockpit.engine.ledger import Ledger
from cockpit.events import Attached, PeopleSeen, Person, Role, Who
from cockpit.text import harmless

AUTOPILOT = -1
"""The number under which a headless run's own driver stands among the screens."""

SETTLE = 1.0
"""Seconds between two tellings of sizes: a window that is dragged is told once it rests, and now and then meanwhile."""

MOST_PEOPLE = 32
LONGEST_NAME = 60
LARGEST = 10_000
"""Columns or rows that are believed."""

_NOBODY = 0xFFFFFFFF
"""A loginuid that was never set (credentials(7))."""


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end, as the kernel tells (SO_PEERCRED)."""

    pid: int
    uid: int
    login: str = ""
    """The account that logged in to come there; '' where the machine does not keep that."""
    account: str = ""
    """The Unix account's name, looked up once, as it connects: on some machines that asks another one."""


class Client:
    """A connection: a screen, or a command that says hello."""

    def __init__(self, number: int, name: str, peer: Peer, writer: asyncio.StreamWriter, since: float) -> None:
        self.number = number
        self.name = name
        self.peer = peer
        self.writer = writer
        self.since = since
        self.owner = False
        """It has the run's token."""
        self.may_drive = False
        self.guest = False
        self.columns = 0
        self.rows = 0
        self.people: tuple[Person, ...] = ()

    def who(self, ask: wire.Ask | wire.Tell | None = None) -> Who:
        """Who asks by it."""
        return Who(
            screen=self.number,
            name=self.name,
            account=self.peer.account,
            uid=self.peer.uid,
            pid=self.peer.pid,
            login=self.peer.login,
            by=harmless(ask.by, LONGEST_NAME) if ask is not None else "",
            sure=harmless(ask.sure, 160) if ask is not None else "",
            guest=self.guest,
        )

    def words(self) -> str:
        """For the timeline: the name, and the account where that is another one."""
        told = [] if self.name == self.peer.account else [f"account {self.peer.account}"]
        told += ["another account's door"] if self.guest else []
        return f"{self.name} ({', '.join(told)})" if told else self.name


class Roster:
    """The clients of a run, told to the journal: comings and goings at once, sizes when they rest."""

    def __init__(self, ledger: Ledger, clock: Clock, role: Callable[[Client], Role], autopilot: bool = False) -> None:
        self._ledger = ledger
        self._clock = clock
        self._role = role
        self._autopilot = autopilot
        self._clients: dict[int, Client] = {}
        self._last = 0
        self._moved = asyncio.Event()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def get(self, number: int) -> Client | None:
        """The client of that number."""
        return self._clients.get(number)

    def number(self) -> int:
        """A number that no connection of this process had."""
        self._last += 1
        return self._last

    def enter(self, client: Client) -> None:
        """A client takes its place; `come` tells of it once it is known whether it drives."""
        self._clients[client.number] = client

    def come(self, client: Client) -> None:
        """A client is attached from now on."""
        self.tell(came=(client.words(),))

    def go(self, client: Client) -> None:
        """A client is gone, with the people in front of it."""
        if self._clients.pop(client.number, None) is not None:
            self.tell(left=(client.words(), *(_seat(client, person) for person in client.people)))

    def here(self, client: Client, said: wire.Here) -> None:
        """A client tells its size and its people. People are told at once, sizes when they rest."""
        before = {(person.pid, person.name): person for person in client.people}
        client.columns, client.rows = _size(said.columns), _size(said.rows)
        client.people = tuple(_believed(person) for person in said.people[:MOST_PEOPLE])
        now = {(person.pid, person.name): person for person in client.people}
        came = tuple(_seat(client, person) for key, person in now.items() if key not in before)
        left = tuple(_seat(client, person) for key, person in before.items() if key not in now)
        if came or left:
            self.tell(came, left)
        else:
            self._moved.set()

    def attached(self) -> tuple[Attached, ...]:
        """Everybody, in the order of their coming."""
        own = tuple(
            Attached(
                screen=client.number,
                name=client.name,
                role=self._role(client),
                account=client.peer.account,
                uid=client.peer.uid,
                pid=client.peer.pid,
                since=client.since,
                columns=client.columns,
                rows=client.rows,
                people=client.people,
                guest=client.guest,
            )
            for client in self._clients.values()
        )
        if not self._autopilot:
            return own
        drives: Role = "may drive" if any(one.role == "drives" for one in own) else "drives"
        if not self._ledger.state.driver:
            drives = "may drive"
        return (Attached(screen=AUTOPILOT, name="headless", role=drives, uid=os.getuid(), pid=os.getpid()), *own)

    def tell(self, came: tuple[str, ...] = (), left: tuple[str, ...] = ()) -> None:
        """Write down who is there."""
        self._moved.clear()
        self._ledger.post(PeopleSeen(screens=self.attached(), came=came, left=left), "conductor")

    async def run(self) -> None:
        """Tell sizes that have changed, once they rest."""
        while True:
            await self._moved.wait()
            await self._clock.sleep(SETTLE)
            if self._moved.is_set() and self.attached() != self._ledger.state.people:
                self.tell()
            self._moved.clear()


def peer_of(writer: asyncio.StreamWriter) -> Peer:
    """The other end of a unix socket, as it was when it connected (unix(7), SO_PEERCRED). Blocks while accounts
    are looked up."""
    sock: socket.socket = writer.get_extra_info("socket")
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return Peer(pid, uid, login_of(pid), account_of(uid))
    return Peer(-1, os.getuid(), account=account_of(os.getuid()))


def login_of(pid: int) -> str:
    """The account that logged in to the session of a process, also behind su and sudo; '' where that is not kept."""
    try:
        uid = int(Path(f"/proc/{pid}/loginuid").read_text())
    except (OSError, ValueError):
        return ""
    return "" if uid == _NOBODY else account_of(uid)


def _seat(client: Client, person: Person) -> str:
    size = f", {person.columns}×{person.rows}" if person.columns else ""
    return f"{person.name} at {client.name}'s screen ({'read-only' if person.readonly else 'may type'}{size})"


def _believed(person: Person) -> Person:
    return Person(
        name=harmless(person.name, LONGEST_NAME),
        account=harmless(person.account, LONGEST_NAME),
        pid=person.pid,
        columns=_size(person.columns),
        rows=_size(person.rows),
        readonly=person.readonly,
        since=person.since,
    )


def _size(cells: int) -> int:
    return max(0, min(cells, LARGEST))
