"""The conductor's socket: who drives, who watches, and every event to each of them at their own pace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from cockpit import intents as it
from cockpit.clock import Clock, SystemClock
from cockpit.conductor import wire
from cockpit.conductor.asking import Asker
from cockpit.conductor.door import Door
from cockpit.conductor.roster import AUTOPILOT, Client, Peer, Roster, peer_of
from cockpit.conductor.screens import DRIVER, Screens
from cockpit.conductor.wheel import Wheel
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import JournalBroken, Ledger
from cockpit.events import Record, WheelTaken
from cockpit.journal.seek import HEADER, number_of, offset_after
from cockpit.text import harmless

CHUNK = 256 * 1024
MOST_CLIENTS = 64
"""Connections, from the moment that they are made."""
GUEST_PAUSE = 0.05
"""Seconds between two things that another account asks."""
GUEST_LINE = 64 * 1024
"""Bytes of what another account asks; screens are longer."""
HELLO = 30.0
"""Seconds within which a client says who it is."""
GUEST_REST = 1.0
"""Seconds between two tellings of its size and people: each may be written down."""
AGAIN = 0.5
"""Seconds until a lost wheel is told once more to a journal that took nothing, and offers are looked at."""


class Server:
    """Serves one run on a unix socket. The driver's connection is the wheel: when it goes, the wheel is lost."""

    def __init__(
        self,
        journal_file: Path,
        ledger: Ledger,
        engine: Engine,
        token: str,
        asker: Asker | None = None,
        clock: Clock | None = None,
        autopilot: str = "",
        screens: Screens | None = None,
    ) -> None:
        """`autopilot` names the driver of a headless run."""
        clock = clock or SystemClock()
        self._journal_file = journal_file
        self._ledger = ledger
        self._engine = engine
        self._token = token
        self._asker = asker
        self._screens = screens
        self._clock = clock
        self.opened = asker is None
        """Whether intents are taken: not before the secrets are there."""
        self._grown = asyncio.Condition()
        self._notify: asyncio.Event = asyncio.Event()
        self._wheel = Wheel(ledger, engine, clock, lambda number: self._roster.get(number), autopilot)
        self._roster = Roster(ledger, clock, self._wheel.role, bool(autopilot))
        self._door = Door(ledger, self._guest)
        self._connections = 0

    @property
    def clients(self) -> int:
        """Screens that are connected."""
        return len(self._roster)

    def observe(self, record: Record) -> None:
        """A record reached the journal's file: whoever follows may read on."""
        if isinstance(record.event, WheelTaken) and record.event.screen == AUTOPILOT:
            self._wheel.begun = True
        self._notify.set()

    async def run(self, path: Path) -> None:
        """Listen until cancelled. The folder of `path` must be private to the account."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        server = await asyncio.start_unix_server(self._own, str(path), limit=wire.LINE_LIMIT)
        path.chmod(0o600)
        helpers = [asyncio.create_task(work) for work in (self._pump(), self._look_again(), self._roster.run())]
        try:
            async with server:
                await self._door.resume()
                await server.serve_forever()
        finally:
            for helper in helpers:
                helper.cancel()
            for client in self._roster:
                client.writer.close()
            self._door.shut()
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    async def _pump(self) -> None:
        while True:
            await self._notify.wait()
            self._notify.clear()
            async with self._grown:
                self._grown.notify_all()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            await self._wheel.look()

    # --- a connection --------------------------------------------------------------------------------------------

    async def _own(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._client(reader, writer, guest=False)

    async def _guest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._client(reader, writer, guest=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: bool) -> None:
        feeding: asyncio.Task[None] | None = None
        client: Client | None = None
        self._connections += 1
        try:
            peer = await asyncio.to_thread(peer_of, writer)
            why = self._turned_away(peer, writer, guest)
            if why:
                writer.write(wire.encode(wire.Bye(reason=why)))
                return
            async with asyncio.timeout(HELLO):
                hello = msgspec.json.decode(await reader.readline(), type=wire.Hello)
            if guest and hello.token:
                writer.write(wire.encode(wire.Bye(reason="nobody drives by the door for other accounts")))
                return
            if hello.token and not secrets.compare_digest(hello.token, self._token):
                writer.write(wire.encode(wire.Bye(reason="that is not the token of this run")))
                return
            # Access may have been taken since the connection was made.
            if guest and (why := self._door.refusal(peer)):
                writer.write(wire.encode(wire.Bye(reason=why)))
                return
            client = self._arrived(hello, peer, writer, guest)
            drives = client.may_drive and await self._wheel.take(client)
            state = self._ledger.state
            welcome = wire.Welcome(
                run=state.run, head=state.seq, drives=drives, screen=client.number, guest=guest
            )  # fmt: skip
            writer.write(wire.encode(welcome))
            self._roster.come(client)
            after = hello.after
            if hello.snapshot and state.plan is not None:
                writer.write(wire.encode(wire.Snapshot(state=state)))
                after = state.seq
            feeding = asyncio.create_task(self._feed(writer, after))
            await self._listen(reader, client)
        except (
            ConnectionError,
            msgspec.MsgspecError,
            asyncio.LimitOverrunError,
            ValueError,
            TimeoutError,
            JournalBroken,
        ):
            pass  # A screen that goes or talks nonsense takes nothing with it.
        finally:
            self._connections -= 1
            self._door.left(writer)
            if feeding is not None:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            writer.close()
            if client is not None:
                await self._wheel.leave(client)
                with contextlib.suppress(Exception):
                    self._roster.go(client)

    def _turned_away(self, peer: Peer, writer: asyncio.StreamWriter, guest: bool) -> str:
        """Why a connection is not served; '' when it is."""
        if self._connections > MOST_CLIENTS:
            return "too many screens watch this run"
        if guest:
            return self._door.knock(peer, writer)
        return "" if peer.uid in {os.getuid(), 0} else "this socket is for the account that conducts the run"

    def _arrived(self, hello: wire.Hello, peer: Peer, writer: asyncio.StreamWriter, guest: bool) -> Client:
        # Another account goes by its own name: a screen may call itself anything.
        name = peer.account if guest else harmless(hello.name, 60) or peer.account
        client = Client(self._roster.number(), name, peer, writer, self._clock.utc())
        client.guest = guest
        client.owner = bool(hello.token) and not guest
        client.may_drive = client.owner and not hello.watch
        self._roster.enter(client)
        return client

    async def _listen(self, reader: asyncio.StreamReader, client: Client) -> None:
        while line := await reader.readline():
            if wire.shows(line):
                # What is turned away was not even read, and costs a rest.
                rest = GUEST_PAUSE if self._saw(client, line) else GUEST_REST
                del line
                if client.guest:
                    await self._clock.sleep(rest)
                continue
            if client.guest and len(line) > GUEST_LINE:
                raise ValueError("a line that is no screen, and as long as one")
            ask = wire.wanted(line)
            del line
            if isinstance(ask, wire.Here):
                self._roster.here(client, ask)
                if client.guest:
                    await self._clock.sleep(GUEST_REST)
                continue
            refusal = await self._asked(client, ask)
            client.writer.write(wire.encode(wire.Reply(id=ask.id, refusal=refusal)))
            await client.writer.drain()
            if client.guest:
                await self._clock.sleep(GUEST_PAUSE)

    def _saw(self, client: Client, line: bytes) -> bool:
        """What somebody saw: all that the driver's screen tells; of others what they saw when they answered as the second
        person. False when there was no room for it, or nothing of theirs is kept. Raises msgspec.MsgspecError."""
        watches = self._wheel.holder is not client
        if self._screens is None or (client.guest and not self._door.confirms(client.peer)):
            return False
        if not self._screens.admits(f"uid {client.peer.uid}" if watches else DRIVER):
            return False
        screen = wire.shown(line)
        if not watches or (screen.why == "confirmed" and screen.of.startswith(("confirm ", "decline "))):
            self._screens.saw(client.words(), screen)
        return True

    async def _asked(self, client: Client, ask: wire.Ask | wire.Tell) -> str:
        """Do what a client asks, or say why not."""
        if client.guest and (why := self._door.refusal(client.peer)):
            return why
        who = client.who(ask)
        if isinstance(ask, wire.Ask):
            match ask.intent:
                case (
                    it.Claim()
                    | it.OfferWheel()
                    | it.AcceptWheel()
                    | it.RequestWheel()
                    | it.GrantWheel()
                    | it.DeclineWheel()
                ) as intent:
                    return await self._wheel.ask(client, intent, who.words)
                case it.GiveAccess() | it.TakeAccess() as intent:
                    return await self._door.ask(intent, who, client.owner)
                case it.Hold() | it.Confirm() | it.Decline() as intent:
                    return await self._engine.submit(intent, who.words, who)
                case _:
                    pass
        if self._wheel.holder is not client:
            return self._not_driving(client)
        if isinstance(ask, wire.Tell):
            return (
                self._asker.answer(ask.name, ask.answer, who.words, who) if self._asker is not None else "nobody asks"
            )
        if not self.opened:
            return "the run has not begun: it waits for its secrets (K answers)"
        return await self._engine.submit(ask.intent, who.words, who)

    def _not_driving(self, client: Client) -> str:
        holder = self._ledger.state.driver
        if not client.may_drive:
            return "this screen only watches"
        return f"{holder} drives; you watch" if holder else "nobody drives: claim the wheel first"

    async def _feed(self, writer: asyncio.StreamWriter, after: int) -> None:
        """Send the file from the first line whose number is over `after`, then what grows. The file is the queue: a slow
        screen reads late and costs no memory. What the conductor itself does not know yet is not sent: it may be on its way
        to a disk that will not take it."""
        with self._journal_file.open("rb") as file:
            at, size = offset_after(file, after) if after else 0, CHUNK
            while True:
                file.seek(at)
                chunk = file.read(size)
                whole = _known(chunk, self._ledger.state.seq)
                if whole:
                    at, size = at + len(whole), CHUNK
                    writer.write(whole)
                    await writer.drain()
                    continue
                if len(chunk) == size and b"\n" not in chunk:
                    size *= 2  # A line that is longer than that: the first one carries the plan.
                    continue
                # Not `wait_for`: before Python 3.12 it may swallow a cancellation.
                async with self._grown:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.25):
                            await self._grown.wait()


def _known(chunk: bytes, seq: int) -> bytes:
    """The whole lines of a chunk whose numbers are at most `seq`."""
    end = chunk.rfind(b"\n") + 1
    while end:
        start = chunk.rfind(b"\n", 0, end - 1) + 1
        if number_of(chunk[start : start + HEADER]) <= seq:
            return chunk[:end]
        end = start
    return b""
