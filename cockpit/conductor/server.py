"""The conductor's socket: who drives, who watches, and every event to each of them at their own pace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import secrets
import socket
import struct
from pathlib import Path

import msgspec

from cockpit.conductor import wire
from cockpit.conductor.asking import Asker
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import JournalBroken, Ledger
from cockpit.events import Record, WatchersChanged, WheelLost, WheelTaken
from cockpit.intents import Claim
from cockpit.journal.seek import offset_after

CHUNK = 256 * 1024
MOST_CLIENTS = 64
AGAIN = 0.5
"""Seconds until a lost wheel is told once more to a journal that took nothing."""


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end, as the kernel tells (SO_PEERCRED)."""

    pid: int
    uid: int

    @property
    def account(self) -> str:
        """The Unix account's name."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


class Server:
    """Serves one run on a unix socket. The driver's connection is the wheel: when it goes, the wheel is lost."""

    def __init__(
        self, journal_file: Path, ledger: Ledger, engine: Engine, token: str, asker: Asker | None = None
    ) -> None:
        self._journal_file = journal_file
        self._ledger = ledger
        self._engine = engine
        self._token = token
        self._asker = asker
        self.opened = asker is None
        """Whether intents are taken: not before the secrets are there."""
        self._grown = asyncio.Condition()
        self._driver: asyncio.StreamWriter | None = None
        self._lost: WheelLost | None = None
        """What the journal does not know yet."""
        self._clients: set[asyncio.StreamWriter] = set()
        self._notify: asyncio.Event = asyncio.Event()

    @property
    def clients(self) -> int:
        """Screens that are connected."""
        return len(self._clients)

    def observe(self, record: Record) -> None:
        """A record reached the journal's file: whoever follows may read on."""
        self._notify.set()

    async def run(self, path: Path) -> None:
        """Listen until cancelled. The folder of `path` must be private to the account."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        server = await asyncio.start_unix_server(self._client, str(path), limit=wire.LINE_LIMIT)
        path.chmod(0o600)
        helpers = [asyncio.create_task(self._pump()), asyncio.create_task(self._tell_lost_again())]
        try:
            async with server:
                await server.serve_forever()
        finally:
            for helper in helpers:
                helper.cancel()
            for writer in list(self._clients):
                writer.close()
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    async def _pump(self) -> None:
        while True:
            await self._notify.wait()
            self._notify.clear()
            async with self._grown:
                self._grown.notify_all()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feeding: asyncio.Task[None] | None = None
        try:
            peer = _peer(writer)
            if len(self._clients) >= MOST_CLIENTS:
                writer.write(wire.encode(wire.Bye(reason="too many screens watch this run")))
                return
            hello = msgspec.json.decode(await reader.readline(), type=wire.Hello)
            self._clients.add(writer)
            if hello.token and not secrets.compare_digest(hello.token, self._token):
                writer.write(wire.encode(wire.Bye(reason="that is not the token of this run")))
                return
            may_drive = bool(hello.token) and not hello.watch
            drives = may_drive and await self._take_wheel(writer, hello.name or peer.account, peer)
            writer.write(
                wire.encode(wire.Welcome(run=self._ledger.state.run, head=self._ledger.state.seq, drives=drives))
            )
            self._ledger.post(WatchersChanged(count=self._watching()))
            after = hello.after
            if hello.snapshot and self._ledger.state.plan is not None:
                state = self._ledger.state
                writer.write(wire.encode(wire.Snapshot(state=state)))
                after = state.seq
            feeding = asyncio.create_task(self._feed(writer, after))
            await self._listen(reader, writer, hello, peer, may_drive)
        except (ConnectionError, msgspec.MsgspecError, asyncio.LimitOverrunError, ValueError, JournalBroken):
            pass  # A screen that goes or talks nonsense takes nothing with it.
        finally:
            if feeding is not None:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            self._clients.discard(writer)
            writer.close()
            await self._leave(writer)

    async def _listen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: wire.Hello, peer: Peer, may_drive: bool
    ) -> None:
        name = hello.name or peer.account
        while line := await reader.readline():
            ask = wire.wanted(line)
            del line
            if isinstance(ask, wire.Ask) and isinstance(ask.intent, Claim):
                refusal = await self._claim(writer, name, peer, may_drive)
            elif self._driver is not writer:
                holder = self._ledger.state.driver
                refusal = f"{holder} drives; you watch" if holder else "nobody drives: claim the wheel first"
                if not may_drive:
                    refusal = "this screen only watches"
            elif isinstance(ask, wire.Tell):
                refusal = self._asker.answer(ask.name, ask.answer, name) if self._asker is not None else "nobody asks"
            elif not self.opened:
                refusal = "the run has not begun: it waits for its secrets (K answers)"
            else:
                refusal = await self._engine.submit(ask.intent, name)
            writer.write(wire.encode(wire.Reply(id=ask.id, refusal=refusal)))
            await writer.drain()

    async def _claim(self, writer: asyncio.StreamWriter, name: str, peer: Peer, may_drive: bool) -> str:
        if not may_drive:
            return "this screen only watches"
        if self._driver is writer:
            return "you drive already"
        if not await self._take_wheel(writer, name, peer):
            return f"{self._ledger.state.driver} drives"
        self._ledger.post(WatchersChanged(count=self._watching()))
        return ""

    async def _take_wheel(self, writer: asyncio.StreamWriter, name: str, peer: Peer) -> bool:
        if self._driver is not None or self._ledger.state.driver or self._ledger.state.ended:
            return False
        self._driver = writer
        await self._ledger.write(WheelTaken(driver=name, uid=peer.uid, pid=peer.pid), name)
        return True

    async def _leave(self, writer: asyncio.StreamWriter) -> None:
        if self._driver is writer:
            self._driver = None
            driver = self._ledger.state.driver
            self._lost = WheelLost(driver=driver, reason="the screen went away")
            await self._tell_lost()
        with contextlib.suppress(Exception):
            self._ledger.post(WatchersChanged(count=self._watching()))

    async def _tell_lost(self) -> None:
        """Nothing starts without a driver, whatever the journal can be told of that."""
        lost = self._lost
        if lost is None:
            return
        self._engine.stranded = True
        with contextlib.suppress(JournalBroken):
            await self._ledger.write(lost, "conductor")
            self._lost = None
            self._engine.stranded = False

    async def _tell_lost_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            await self._tell_lost()

    def _watching(self) -> int:
        return len(self._clients) - (self._driver is not None)

    async def _feed(self, writer: asyncio.StreamWriter, after: int) -> None:
        """Send the file from the first line whose number is over `after`, then what grows. The file is the queue: a slow
        screen reads late and costs no memory."""
        rest = b""
        with self._journal_file.open("rb") as file:
            file.seek(offset_after(file, after) if after else 0)
            while True:
                chunk = file.read(CHUNK)
                if not chunk:
                    # Not `wait_for`: before Python 3.12 it may swallow a cancellation.
                    async with self._grown:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(0.25):
                                await self._grown.wait()
                    continue
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if not newline:
                    continue
                writer.write(whole + b"\n")
                await writer.drain()


def _peer(writer: asyncio.StreamWriter) -> Peer:
    sock: socket.socket = writer.get_extra_info("socket")
    if hasattr(socket, "SO_PEERCRED"):
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return Peer(pid, uid)
    return Peer(-1, os.getuid())
