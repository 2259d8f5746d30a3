"""The door for other accounts: a second socket that those can reach who were let in by name, and where nobody drives.

Who comes is told by the kernel (SO_PEERCRED) and looked up by name in the run's own list, whatever the modes of files say. The
list is in the journal, so that a resumed run opens the same door."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from cockpit import intents as it
from cockpit.conductor.acl import NoWayIn, let_in
from cockpit.conductor.roster import Peer
from cockpit.conductor.wire import SCREEN_LIMIT
from cockpit.engine.ledger import JournalBroken, Ledger
from cockpit.events import AccessGiven, AccessTaken, DoorChanged, Who

MOST_VISITS = 8
"""Connections of one other account, from the moment that they are made."""

PREFIX = "cockpit-door-"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Door:
    """Opens with the first account that is let in, closes with the last, and cuts whoever is let in no more."""

    def __init__(self, ledger: Ledger, serve: Serve) -> None:
        self._ledger = ledger
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._visits: dict[asyncio.StreamWriter, int] = {}
        """The uid of each connection by the door, whether it has said hello or not."""
        self._turn = asyncio.Lock()

    def refusal(self, peer: Peer) -> str:
        """Why a peer is turned away, '' when it may come in."""
        given = self._ledger.state.access.get(peer.account)
        # A number that was given to another account since then is not the one that was let in.
        if given is None or given.uid != peer.uid:
            return f"{peer.account} has no access to this run (any more); its owner gives it with `cockpit access`"
        return ""

    def confirms(self, peer: Peer) -> bool:
        """Whether a peer may come in and confirm as the second person."""
        return not self.refusal(peer) and self._ledger.state.access[peer.account].may == "confirm"

    def knock(self, peer: Peer, writer: asyncio.StreamWriter) -> str:
        """A connection is there: why it is turned away, '' when it may go on, until it is told to have `left`."""
        why = self.refusal(peer)
        if not why and sum(uid == peer.uid for uid in self._visits.values()) >= MOST_VISITS:
            why = f"{peer.account} has {MOST_VISITS} connections already"
        if not why:
            self._visits[writer] = peer.uid
        return why

    def left(self, writer: asyncio.StreamWriter) -> None:
        """A connection is over."""
        self._visits.pop(writer, None)

    async def ask(self, intent: it.GiveAccess | it.TakeAccess, who: Who, owner: bool) -> str:
        """Give or take access. Only for screens with the token. The refusal as a sentence."""
        if not owner:
            return "only the account that conducts the run gives and takes access"
        if self._ledger.state.ended:
            return "the run has ended"
        async with self._turn:
            try:
                if isinstance(intent, it.GiveAccess):
                    return await self._give(intent, who)
                return await self._take(intent, who)
            except JournalBroken as error:
                return str(error)

    async def _give(self, intent: it.GiveAccess, who: Who) -> str:
        try:
            entry = await asyncio.to_thread(pwd.getpwnam, intent.account)
        except (KeyError, ValueError):
            return f"there is no account {intent.account} on this machine"
        if entry.pw_uid == os.getuid():
            return f"{intent.account} conducts the run: it has access already"
        accounts = {name: view.uid for name, view in self._ledger.state.access.items()} | {entry.pw_name: entry.pw_uid}
        try:
            # The list comes first: whoever is at the door before it is written down is turned away.
            how = await self._open(accounts)
        except (NoWayIn, OSError) as error:
            return str(error)
        given = AccessGiven(account=entry.pw_name, uid=entry.pw_uid, may=intent.may, by=who.words)
        await self._ledger.write(given, who.words)
        await self._tell(how)
        return ""

    async def _take(self, intent: it.TakeAccess, who: Who) -> str:
        view = self._ledger.state.access.get(intent.account)
        if view is None:
            return f"{intent.account} has no access"
        await self._ledger.write(AccessTaken(account=intent.account, by=who.words), who.words)
        for writer, uid in self._visits.items():
            if uid == view.uid:
                writer.transport.abort()
        left = {name: other.uid for name, other in self._ledger.state.access.items()}
        how = ""
        if left:
            with contextlib.suppress(NoWayIn, OSError):
                how = await self._open(left)
        else:
            self.shut()
        await self._tell(how)
        return ""

    async def resume(self) -> None:
        """Open again what an earlier conductor of the run had opened. What goes wrong is told, and ends nothing."""
        accounts = {name: view.uid for name, view in self._ledger.state.access.items()}
        _sweep(self._ledger.state.door)
        if not accounts:
            return
        async with self._turn:
            try:
                await self._tell(await self._open(accounts))
            except (NoWayIn, OSError) as error:
                self._ledger.trouble(f"the door for other accounts stays shut: {error}")
            except JournalBroken:
                self.shut()

    def shut(self) -> None:
        """Close the door and take it away."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        path, self._path = self._path, None
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()
            with contextlib.suppress(OSError):
                path.parent.rmdir()

    async def _open(self, accounts: dict[str, int]) -> str:
        """The door for these accounts; the same one if there is one. Returns how they are let in."""
        if self._path is None:
            # Its name cannot be taken by somebody else beforehand, and it begins closed to everybody (mkdtemp).
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=doors()))
            self._path = folder / f"{self._ledger.state.run[-40:]}.sock"
            try:
                self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=SCREEN_LIMIT)
                self._path.chmod(0o600)
            except OSError:
                self.shut()
                raise
        try:
            return await asyncio.to_thread(let_in, self._path.parent, self._path, accounts)
        except (NoWayIn, OSError):
            if not self._ledger.state.access:
                self.shut()
            raise

    async def _tell(self, how: str) -> None:
        path = str(self._path) if self._path is not None else ""
        await self._ledger.write(DoorChanged(path=path, how=how), "conductor")


def _sweep(path: str) -> None:
    """Take away what a conductor that was killed left of its door."""
    folder = Path(path).parent
    if not path or not folder.name.startswith(PREFIX):
        return
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
            Path(path).unlink(missing_ok=True)
            folder.rmdir()


def doors() -> Path:
    """Where doors are made: $COCKPIT_DOORS, else /tmp, which every account can enter; a folder of one's own cannot be."""
    return Path(os.environ.get("COCKPIT_DOORS") or "/tmp")


def open_doors() -> list[Path]:
    """The doors on this machine that stand open to this account, of runs of other accounts."""
    found: list[Path] = []
    for folder in sorted(doors().glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid != os.getuid():
                found += sorted(folder.glob("*.sock"))
    return found
