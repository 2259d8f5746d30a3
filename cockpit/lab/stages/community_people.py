"""The people of the demo of `community`: readers, reporters, writers, and users who log in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncssh

from cockpit.lab.traffic import Act, Person, Tally

if TYPE_CHECKING:
    from cockpit.lab.lab import Lab

ZONE = "haskell.test"
PROJECTS = ("darcs", "xmonad", "ghc-mod")


class Reader(Person):
    """Somebody who reads one of the names' pages."""

    def __init__(self, name: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"reader of {name}", lab.where, index, tally)
        self._name = f"{name}.{ZONE}"

    async def act(self) -> None:
        await self.read((await self.resolve(self._name))[0], self._name, "/")


class Reporter(Person):
    """Somebody who opens tickets in Trac, or requests in RT."""

    def __init__(self, tracker: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"reporter in {tracker}", lab.where, index, tally)
        self._tracker = tracker
        self._kind = "tickets" if tracker == "trac" else "requests"

    async def act(self) -> None:
        name = f"{self._tracker}.{ZONE}"
        await self.give((await self.resolve(name))[0], name, "/write", self._kind, self._tracker)


class Writer(Person):
    """Somebody who writes to a list or to a mailbox, by the MX of its domain."""

    def __init__(self, to: str, kind: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"writer to {to}", lab.where, index, tally)
        self._to = to
        self._kind = kind

    async def act(self) -> None:
        domain = self._to.partition("@")[2]
        await self.mail(await self.exchanger(domain), self._to, self._to, self._kind)


class Developer(Person):
    """A user who logs in by SSH with a key of their own, and pushes a patch or writes a note."""

    def __init__(self, user: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"the user {user}", lab.where, index, tally, pace=2.5)
        self._user = user
        self._key = lab.folder / "keys" / user

    async def act(self) -> None:
        token, project = self.token(), self.chance.choice(PROJECTS)
        kind = self.chance.choice(("pushes", "notes"))
        command = f"push {project} {token}" if kind == "pushes" else f"note {token}"
        address = (await self.resolve(f"community.{ZONE}"))[0]
        try:
            async with (
                asyncio.timeout(30),
                asyncssh.connect(
                    address,
                    self.where.ssh_port,
                    username=self._user,
                    client_keys=[str(self._key)],
                    # Which of the two hosts it is only the name server says.
                    known_hosts=None,
                    agent_path=None,
                    config=None,
                ) as link,
            ):
                ran = await link.run(command, input=f"what {self._user} did in {token}\n")
        except asyncssh.Error as error:
            raise ValueError(str(error)) from None
        if ran.exit_status == 0:
            self.tally.take(Act(kind, self._user, token))
        elif "Read-only" in str(ran.stderr):
            self.tally.refused[kind] += 1
        else:
            self.tally.fail(self.who, f"{command} ended with {ran.exit_status}: {ran.stderr!r}")
