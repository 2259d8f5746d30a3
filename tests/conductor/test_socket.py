"""The socket between a conductor and its screens: one wheel, refusals in words, every event to each screen once."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from cockpit import intents as it
from cockpit.clock import SystemClock
from cockpit.conductor import wire
from cockpit.conductor.client import LiveSource
from cockpit.conductor.server import Server
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.events import Event, LogSeen, Noted, Record, RunStarted, WheelLost, WheelTaken
from cockpit.journal import writer as writing
from cockpit.journal.reader import records
from cockpit.journal.writer import JournalWriter
from cockpit.reduce import fold, reduce
from cockpit.state import RunState
from tests.engine.world import ModelHands, World, small_plan

TOKEN = "the token of this run"


class Run:
    """A conductor's heart without hosts: journal on disk, engine, socket."""

    def __init__(self, folder: Path, journal: JournalWriter) -> None:
        self.socket = folder / "socket"
        self.file = folder / "journal.jsonl"
        self.journal = journal
        self.ledger = Ledger(journal)
        journal.subscribe(self.ledger.observe)
        self.world = World()
        self.engine = Engine(self.ledger, ModelHands(self.world, lambda: self.ledger.state), SystemClock())
        self.server = Server(self.file, self.ledger, self.engine, TOKEN)
        journal.subscribe(self.server.observe)

    def events(self, kind: type[Event]) -> list[Record]:
        return [record for record in records(self.file) if isinstance(record.event, kind)]


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    async with JournalWriter(tmp_path / "journal.jsonl", SystemClock()) as journal:
        made = Run(tmp_path, journal)
        await made.ledger.write(RunStarted(run="night", plan=small_plan()), "test")
        tasks = [asyncio.create_task(made.engine.run()), asyncio.create_task(made.server.run(made.socket))]
        while not made.socket.exists():
            await asyncio.sleep(0.01)
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Screen:
    """What a screen knows, with the source under it."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.state = RunState()
        self.got: list[Record] = []
        self.failure = ""
        self._news = asyncio.Event()

    async def follow(self) -> None:
        try:
            async for batch in self.source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                else:
                    self.got += batch
                    for record in batch:
                        self.state = reduce(self.state, record)
                self._news.set()
        except ConnectionError as error:
            self.failure = str(error)
            self._news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def screen(run: Run, name: str = "tom", token: str = TOKEN) -> AsyncIterator[Screen]:
    made = Screen(LiveSource(run.socket, name, token, wait=5))
    following = asyncio.create_task(made.follow())
    try:
        await made.until(lambda: made.state.plan is not None or made.failure)
        yield made
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_the_first_screen_with_the_token_drives_and_the_second_watches(run: Run) -> None:
    async with screen(run, "anna") as first, screen(run, "ben") as second:
        await second.until(lambda: second.state.driver == "anna" and second.state.watchers == 1)
        assert (first.source.drives, second.source.drives) == (True, False)
        assert await second.source.send(it.AddNote(text="hello")) == "anna drives; you watch"
        assert await first.source.send(it.AddNote(text="hello")) is None
        await second.until(lambda: [note.text for note in second.state.notes] == ["hello"])
        assert second.state.notes[0].actor == "anna"
    [taken] = run.events(WheelTaken)
    assert (taken.event.uid, taken.event.pid) == (os.getuid(), os.getpid())  # type: ignore[union-attr]


async def test_a_screen_without_the_token_can_do_nothing(run: Run) -> None:
    async with screen(run, "eve", token="") as watching:
        assert watching.source.label == "READ-ONLY"
        for intent in (it.AddNote(text="x"), it.Claim(), it.Panic(), it.Abort()):
            assert await watching.source.send(intent) == "this screen only watches"
    assert run.events(Noted) == []
    assert run.ledger.state.driver == ""
    assert not run.ledger.state.panicked


async def test_a_wrong_token_is_turned_away_with_a_sentence(run: Run) -> None:
    async with screen(run, "eve", token="guess") as turned:
        assert turned.failure == "that is not the token of this run"


async def test_the_wheel_is_lost_with_its_screen_and_another_claims_it(run: Run) -> None:
    async with screen(run, "ben", token=TOKEN) as second:
        assert second.source.drives
    await asyncio.sleep(0.05)
    async with screen(run, "anna") as first, screen(run, "ben") as second:
        assert await second.source.send(it.Claim()) == "anna drives: R asks for the wheel"
        first_left = first.source._writer
        assert first_left is not None
        first_left.close()
        await second.until(lambda: second.state.driver == "")
        assert await second.source.send(it.AddNote(text="x")) == "nobody drives: claim the wheel first"
        assert await second.source.send(it.Claim()) is None
        assert second.source.drives
        assert await second.source.send(it.Claim()) == "you drive already"
        assert await second.source.send(it.AddNote(text="mine")) is None
    assert [record.event.driver for record in run.events(WheelTaken)] == ["ben", "anna", "ben"]  # type: ignore[union-attr]


async def test_what_runs_goes_on_when_the_driver_goes_and_nothing_new_starts(run: Run) -> None:
    async with screen(run) as driving:
        assert await driving.source.send(it.RunToGate(service="s0")) is None
        await driving.until(lambda: driving.state.services["s0"].history)
    async with asyncio.timeout(10):
        while not run.events(WheelLost) or run.engine.busy:
            await asyncio.sleep(0.02)
    done = [ref for ref, step in run.ledger.state.services["s0"].steps.items() if step.state == "done"]
    await asyncio.sleep(0.3)
    assert done == [ref for ref, step in run.ledger.state.services["s0"].steps.items() if step.state == "done"]
    assert not run.ledger.state.services["s0"].advancing


async def test_a_new_screen_knows_at_once_what_the_old_one_knew(run: Run) -> None:
    async with screen(run) as first:
        for number in range(300):
            run.ledger.post(LogSeen(host="old", file="log", lines=(f"line {number}",)), "probe")
        await first.source.send(it.AddNote(text="the last one"))
        await first.until(lambda: first.state.notes)
        async with screen(run, "ben") as second:
            await second.until(lambda: second.state.seq >= first.state.seq)
            assert second.state.logs == first.state.logs
            assert second.state.notes == first.state.notes
            assert len(second.got) < 20, "it was told the state, not the whole story"
    assert fold(list(records(run.file))) == run.ledger.state


async def test_every_event_comes_once_and_in_order_however_fast_they_are(run: Run) -> None:
    async with screen(run) as first, screen(run, "ben", token="") as second:
        for number in range(5000):
            run.ledger.post(LogSeen(host="old", file="log", lines=(f"line {number}",)), "probe")
        await run.ledger.write(Noted(text="end"), "test")
        for one in (first, second):
            await one.until(lambda one=one: one.state.notes)
            seqs = [record.seq for record in one.got]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            assert one.state.logs["old:log"].count == 5000


async def test_a_screen_that_reads_nothing_holds_up_nobody(run: Run) -> None:
    reader, writer = await asyncio.open_unix_connection(str(run.socket))
    writer.write(wire.encode(wire.Hello(name="stuck")))
    await writer.drain()
    async with screen(run) as driving:
        line = "x" * 4000
        for _ in range(4000):
            run.ledger.post(LogSeen(host="old", file="log", lines=(line,)), "probe")
        assert await driving.source.send(it.AddNote(text="still here")) is None
        await driving.until(lambda: driving.state.notes)
    writer.close()
    del reader


@pytest.mark.parametrize(
    "nonsense", [b"\n", b"GET / HTTP/1.1\r\n\r\n", b'{"name": 3}\n', b"\xff" * 1000 + b"\n", b"{" * 100_000 + b"\n"]
)
async def test_nonsense_on_the_socket_takes_nothing_with_it(run: Run, nonsense: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(str(run.socket))
    writer.write(nonsense)
    await writer.drain()
    async with screen(run) as driving:
        assert await driving.source.send(it.AddNote(text="fine")) is None
    writer.close()


async def test_nonsense_after_a_good_hello_loses_the_wheel_and_no_more(run: Run) -> None:
    reader, writer = await asyncio.open_unix_connection(str(run.socket))
    writer.write(wire.encode(wire.Hello(name="odd", token=TOKEN)))
    welcome = msgspec.json.decode(await reader.readline(), type=wire.Control)
    assert isinstance(welcome, wire.Welcome)
    assert welcome.drives
    writer.write(b'{"id": 1, "intent": {"kind": "rm -rf"}}\n')
    async with asyncio.timeout(5):
        while run.ledger.state.driver:
            await asyncio.sleep(0.01)
    async with screen(run) as driving:
        assert driving.source.drives
    writer.close()


async def test_a_screen_reset_in_the_middle_of_a_line_loses_the_wheel_and_no_more(run: Run) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(run.socket))
    sock.sendall(wire.encode(wire.Hello(name="odd", token=TOKEN)) + b'{"id": 1, "int')
    async with asyncio.timeout(5):
        while not run.ledger.state.driver:
            await asyncio.sleep(0.01)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        while run.ledger.state.driver:
            await asyncio.sleep(0.01)
    async with screen(run) as driving:
        assert driving.source.drives


async def test_the_socket_is_private(run: Run) -> None:
    assert run.socket.stat().st_mode & 0o777 == 0o600


async def test_no_more_screens_than_a_run_can_serve(run: Run) -> None:
    held = [await asyncio.open_unix_connection(str(run.socket)) for _ in range(64)]
    for number, (reader, writer) in enumerate(held):
        writer.write(wire.encode(wire.Hello(name=f"s{number}")))
        await reader.readline()
    reader, writer = await asyncio.open_unix_connection(str(run.socket))
    bye = msgspec.json.decode(await reader.readline(), type=wire.Control)
    assert bye == wire.Bye(reason="too many screens watch this run")
    for _, one in [*held, (reader, writer)]:
        one.close()


async def test_a_full_disk_loses_no_deed_and_is_got_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async with screen(run) as driving:
        real = writing._write_all

        def full(descriptor: int, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(writing, "_write_all", full)
        refusal = await driving.source.send(it.RunNext(service="s0"))
        assert refusal is not None
        assert "No space left on device" in refusal
        assert run.world.order == []
        monkeypatch.setattr(writing, "_write_all", real)
        assert await driving.source.send(it.RunNext(service="s0")) is None
        await driving.until(lambda: driving.state.step("s0/copy").state == "done")
    assert run.world.order == [("apply", "s0/copy")]
    assert fold(list(records(run.file))).step("s0/copy").state == "done"


async def test_a_wheel_that_is_lost_while_the_disk_is_full_is_lost_all_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing._write_all

    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    async with screen(run, "alice") as driving:
        await driving.source.send(it.RunToGate(service="s0"))
        monkeypatch.setattr(writing, "_write_all", full)
    await asyncio.sleep(0.2)
    before = list(run.world.order)
    monkeypatch.setattr(writing, "_write_all", real)
    async with asyncio.timeout(5):
        while run.ledger.state.driver:
            await asyncio.sleep(0.02)
    assert run.world.order == before
    assert not run.engine.stranded
    async with screen(run, "bob") as second:
        assert second.source.drives


async def test_a_conductor_ends_though_its_journal_ended_first(tmp_path: Path) -> None:
    async with JournalWriter(tmp_path / "journal.jsonl", SystemClock()) as journal:
        made = Run(tmp_path, journal)
        await made.ledger.write(RunStarted(run="night", plan=small_plan()), "test")
        serving = asyncio.create_task(made.server.run(made.socket))
        while not made.socket.exists():
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(made.socket))
        writer.write(wire.encode(wire.Hello(name="anna", token=TOKEN)))
        await reader.readline()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*others, return_exceptions=True)
    assert serving.done()
    writer.close()
