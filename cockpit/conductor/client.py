"""The cockpit's end of the socket: records come in batches, intents go out. Imports no network library and no Textual."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from cockpit.conductor import wire
from cockpit.events import Person, Record, WheelTaken
from cockpit.intents import AnyIntent, Claim
from cockpit.journal.line import decode_unchained
from cockpit.picture.seen import Seen
from cockpit.state import RunState

MOST_IN_A_BATCH = 2000


class LiveSource:
    """A live run over the conductor's socket; see `cockpit.ui.source.Source`.

    With `token` the screen may drive, without it, it watches."""

    transport = None
    present = None

    def __init__(
        self,
        path: Path,
        name: str,
        token: str = "",
        wait: float = 30.0,
        alive: Callable[[], bool] = lambda: True,
        watch: bool = False,
    ) -> None:
        """`watch` proves to be the owner's with the token, and never drives."""
        self._path = path
        self._dialled: socket.socket | None = None
        self._refused: ConnectionError | None = None
        self._rest = b""
        self._early: list[bytes] = []
        self._name = name
        self._token = token
        self._wait = wait
        self._alive = alive
        self._watch = watch
        self._writer: asyncio.StreamWriter | None = None
        self._replies: dict[int, asyncio.Future[str]] = {}
        self._asked = 0
        self._here: wire.Here | None = None
        self._head = 0
        self.last = 0
        self.drives = False
        self.screen = 0
        """This screen's number among those that are attached; 0 before the conductor has welcomed it."""
        self.guest = False
        """It came by the door for other accounts."""

    def dial(self) -> None:
        """Connect and say hello now, while the caller is still busy starting; `records` then finds the answer waiting."""
        dialled = socket.socket(socket.AF_UNIX)
        try:
            dialled.connect(str(self._path))
            dialled.sendall(self._hello())
        except OSError:
            dialled.close()  # It is not up yet: `records` waits for it.
        else:
            dialled.setblocking(False)
            self._dialled = dialled

    def early(self, wait: float = 0.1) -> RunState | None:
        """The state that the conductor sent to `dial`, when it comes within `wait` seconds: for a first frame with content."""
        if self._dialled is None:
            return None
        until = time.monotonic() + wait
        self._dialled.settimeout(wait)
        state: RunState | None = None
        try:
            while state is None and time.monotonic() < until:
                chunk = self._dialled.recv(1 << 20)
                if not chunk:
                    break
                whole, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
                for line in whole.split(b"\n") if newline else ():
                    if wire.kind(line) == "journal":
                        self._early.append(line)
                    else:
                        state = self._control(line) or state
        except TimeoutError:
            pass
        except ConnectionError as error:
            self._refused = error
        self._dialled.setblocking(False)
        self.last = state.seq if state is not None else self.last
        return state

    def _hello(self) -> bytes:
        return wire.encode(wire.Hello(name=self._name, token=self._token, watch=self._watch, snapshot=True))

    @property
    def can_drive(self) -> bool:
        """Whether this screen may ever hold the wheel."""
        return bool(self._token) and not self._watch

    @property
    def label(self) -> str:
        """What stands in the corner."""
        return "LIVE" if self._token else "READ-ONLY"

    def now(self) -> float:
        """UTC of this moment."""
        return time.time()

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        """The state of this moment, then batches of records in order, each once, until the conductor goes. Raises
        ConnectionError with a sentence."""
        if self._refused is not None:
            raise self._refused
        reader, writer = await self._connect()
        self._writer = writer
        self._say_here()
        try:
            rest, self._rest = self._rest, b""
            early, self._early = self._early, []
            if early:
                yield [record for record in map(decode_unchained, early) if record.seq > self.last]
                self.last = max(self.last, decode_unchained(early[-1]).seq)
            while chunk := await reader.read(1 << 20):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if not newline:
                    continue
                batch: list[Record] = []
                for line in whole.split(b"\n"):
                    if wire.kind(line) == "control":
                        state = self._control(line)
                        if state is not None:
                            self.last = state.seq
                            yield state
                        continue
                    record = decode_unchained(line)
                    if record.seq > self.last:
                        self.last = record.seq
                        self._wheel(record)
                        batch.append(record)
                    if len(batch) >= MOST_IN_A_BATCH:
                        yield batch
                        batch = []
                        await asyncio.sleep(0)
                if batch:
                    yield batch
        finally:
            self._writer = None
            self.drives = False
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_result("the conductor went away before it answered")
            self._replies.clear()
            writer.close()

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """Tell the conductor the size of this screen, and who sits in front of it where several share it. Never waits; what was
        said last is said again on a new connection."""
        said = wire.Here(columns=columns, rows=rows, people=people)
        if said != self._here:
            self._here = said
            self._say_here()

    def saw(self, screen: Seen) -> None:
        """Have kept what this screen shows. Never waits; without a connection nobody can be told."""
        if self._writer is not None and not self._writer.is_closing():
            data = wire.encode(screen)
            if len(data) <= wire.SCREEN_LIMIT:
                self._writer.write(data)

    def _say_here(self) -> None:
        if self._here is not None and self._writer is not None and not self._writer.is_closing():
            self._writer.write(wire.encode(self._here))

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """The refusal as a sentence, None when the intent was taken. `by` is who pressed the key where several share the
        screen, `sure` how that is known; see `wire.Ask`."""
        refusal = await self._wanted(lambda number: wire.Ask(id=number, intent=intent, by=by, sure=sure))
        if isinstance(intent, Claim) and not refusal:
            self.drives = True
        return refusal

    async def tell(self, name: str, answer: str | None, by: str = "", sure: str = "") -> str | None:
        """Answer a question, or refuse to with None. The refusal as a sentence, None when it was taken. `by` and `sure` as in
        `send`."""
        return await self._wanted(lambda number: wire.Tell(id=number, name=name, answer=answer, by=by, sure=sure))

    async def _wanted(self, message: Callable[[int], wire.Ask | wire.Tell]) -> str | None:
        if self._writer is None:
            return "there is no connection to the conductor"
        self._asked += 1
        reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._replies[self._asked] = reply
        number = self._asked
        try:
            self._writer.write(wire.encode(message(number)))
            await self._writer.drain()
            return await reply or None
        except ConnectionError:
            return "the conductor went away"
        finally:
            self._replies.pop(number, None)

    def _wheel(self, record: Record) -> None:
        """Whoever took the wheel since this screen came, it drives now; what was before is history of other connections."""
        if isinstance(record.event, WheelTaken) and record.seq > self._head:
            self.drives = record.event.screen == self.screen

    def _control(self, line: bytes) -> RunState | None:
        """Take a control line; returns the state that it brings, if it brings one."""
        message = msgspec.json.decode(line, type=wire.Control)
        match message:
            case wire.Welcome():
                self.drives, self.screen, self.guest = message.drives, message.screen, message.guest
                self._head = message.head
            case wire.Reply():
                reply = self._replies.get(message.id)
                if reply is not None and not reply.done():
                    reply.set_result(message.refusal)
            case wire.Bye():
                raise ConnectionError(message.reason)
            case wire.Snapshot():
                return message.state
        return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A conductor that was started a moment ago may not listen yet."""
        if self._dialled is not None:
            dialled, self._dialled = self._dialled, None
            return await asyncio.open_unix_connection(sock=dialled, limit=wire.LINE_LIMIT)
        deadline = asyncio.get_running_loop().time() + self._wait
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=wire.LINE_LIMIT)
                writer.write(self._hello())
                await writer.drain()
                return reader, writer
            except (FileNotFoundError, ConnectionRefusedError):
                pass
            except PermissionError:
                raise ConnectionError(
                    f"{self._path} is not open to this account; its owner gives access with `cockpit access`"
                ) from None
            if not self._alive():
                raise ConnectionError("the conductor ended before it listened; its last words are in conductor.log")
            if asyncio.get_running_loop().time() > deadline:
                raise ConnectionError(
                    f"no conductor answers on {self._path}; resume the run with `cockpit run --resume`"
                )
            await asyncio.sleep(0.02)
