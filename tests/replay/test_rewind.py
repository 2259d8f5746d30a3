"""`cockpit watch` where the journal's file cannot be read: its lines come over the socket into a copy that has no name. What a
replay and a watcher have loaded cannot act."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from cockpit.cli.replay import _went
from cockpit.conductor import wire
from cockpit.events import Person, Record
from cockpit.intents import AnyIntent, Confirm, Decline, Hold, Pause, RequestWheel
from cockpit.journal import keyframes
from cockpit.reduce import fold
from cockpit.replay.growing import GrowingStore
from cockpit.replay.player import Player
from cockpit.replay.recording import Recording
from cockpit.replay.rewind import Rewind
from cockpit.replay.timeline import timeline
from cockpit.state import RunState
from tests.replay.made import evening
from tests.report.making import written


class Sent:
    """What a conductor sends: the state of now, then an event now and then."""

    screen, guest = 7, False

    def __init__(self, records: list[Record], known: int) -> None:
        self.asked: list[AnyIntent] = []
        self._records, self._known = records, known
        self.more = asyncio.Event()

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        yield fold(self._records[: self._known])
        for record in self._records[self._known :]:
            await self.more.wait()
            yield [record]

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        pass

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        self.asked.append(intent)
        return None


class Screen:
    """Folds what a source gives."""

    def __init__(self, source: Rewind) -> None:
        self.state = RunState()
        self._task = asyncio.create_task(self._follow(source))

    async def _follow(self, source: Rewind) -> None:
        async for batch in source.records():
            self.state = batch if isinstance(batch, RunState) else fold(batch, self.state)

    async def until(self, seq: int) -> None:
        async with asyncio.timeout(10):
            while self.state.seq != seq:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.mark.parametrize("readable", [True, False])
async def test_a_search_while_the_run_goes_on_looks_through_the_file_where_it_may_be_read(
    readable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "journal.jsonl", evening())
    source = Rewind(Sent(evening(), 1), file if readable else None, tmp_path / "socket", "bea")  # type: ignore[arg-type]
    decoded: list[int] = []
    monkeypatch.setattr(source.recording, "records", lambda first, last: decoded.append(last) or [])
    if readable:
        source._store.grow()
    source.transport.look_for("noqueue")
    assert source.transport.search is not None
    assert [hit.seq for hit in source.transport.search.wait().hits] == ([14] if readable else [])
    assert not decoded
    source.recording.close()


def test_a_journal_that_grows_is_known_as_far_as_its_lines_are_whole(tmp_path: Path) -> None:
    records = evening()
    data = written(tmp_path / "whole.jsonl", records).read_bytes()
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"")
    store = GrowingStore(os.open(file, os.O_RDONLY))
    for cut in range(0, len(data), 97):
        with file.open("ab") as out:
            out.write(data[cut : cut + 97])
        store.grow()
        assert len(store.timeline) == data[: cut + 97].count(b"\n")
    assert store.timeline == timeline(records)
    assert store.records(3, 9) == records[3:9]
    assert Recording(store).state_after(9) == fold(records[:9])
    store.close()
    assert not store.grow()


def test_an_event_s_number_is_gone_to_as_soon_as_that_event_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = evening()
    file = written(tmp_path / "journal.jsonl", records)
    store = GrowingStore(os.open(file, os.O_RDONLY))
    store._take(b"\n".join(file.read_bytes().split(b"\n")[:9]))
    player = Player(Recording(store), playing=False)
    assert not player.recording.complete
    waited: list[float] = []

    def read_on(seconds: float) -> None:
        waited.append(seconds)
        store.grow()

    monkeypatch.setattr("cockpit.cli.replay.time", SimpleNamespace(sleep=read_on, monotonic=time.monotonic))
    assert _went(player, "#5")
    assert _went(player, "9")
    assert (player.place, waited) == (9, []), "it does not wait for the rest"
    assert _went(player, "50%")
    assert waited, "a share is one of the whole recording"
    assert not _went(player, "#99")
    store.close()


def test_seeks_in_a_run_that_goes_on_look_through_its_keyframes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = evening()
    file = written(tmp_path / "journal.jsonl", records)
    keyframes.rebuild(file, every=4)
    looked: list[Path] = []
    real = keyframes._places
    monkeypatch.setattr(keyframes, "_places", lambda path: looked.append(path) or real(path))
    store = GrowingStore(os.open(file, os.O_RDONLY), file)
    store.grow()
    for count in (5, 6, 7, 14, 13, 9, 3):
        found = store.nearest(count)
        at = count // 4 * 4
        assert (found and (found[0], found[1])) == ((at, fold(records[:at])) if at else None)
    assert len(looked) == 1
    keyframes.rebuild(file, every=5)
    found = store.nearest(14)
    assert found is not None
    assert (found[0], len(looked)) == (10, 2), "a file that has changed is looked through again"
    store.close()


async def test_where_the_file_cannot_be_read_the_lines_are_copied_from_the_socket(tmp_path: Path) -> None:
    records = evening()
    data = written(tmp_path / "elsewhere.jsonl", records).read_bytes()
    hello: list[wire.Hello] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.append(msgspec.json.decode(await reader.readline(), type=wire.Hello))
        writer.write(wire.encode(wire.Welcome(run="made", head=15, drives=False)) + data)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "socket"))
    source = Rewind(Sent(records, 12), tmp_path / "not there", tmp_path / "socket", "bea")
    screen = Screen(source)
    await screen.until(12)
    async with asyncio.timeout(10):
        while len(source.recording.timeline) < 15:
            await asyncio.sleep(0.01)
    assert (hello[0].watch, hello[0].token, hello[0].after) == (True, "", 0)
    source.press("space")
    source.jump(5)
    await screen.until(5)
    assert screen.state == fold(records[:5])
    source.press("dollar_sign")
    await screen.until(12)
    assert screen.state == fold(records[:12])
    await screen.close()
    server.close()


async def test_what_comes_while_one_looks_back_is_there_on_return_once_each(tmp_path: Path) -> None:
    records = evening()
    file = written(tmp_path / "journal.jsonl", records)
    sent = Sent(records, 4)
    source = Rewind(sent, file, tmp_path / "no socket", "bea")
    screen = Screen(source)
    await screen.until(4)
    source.press("space")
    sent.more.set()
    await asyncio.sleep(0.1)
    assert screen.state == fold(records[:4])
    assert source.transport.reading.behind > 0
    async with asyncio.timeout(10):
        while "closed the run" not in source.transport.reading.notice:
            await asyncio.sleep(0.01)
    source.press("dollar_sign")
    await screen.until(15)
    assert screen.state == fold(records)
    source.press("comma")
    await screen.until(14)
    for refused in (
        Pause(),
        Confirm(gate="cut", typed="cut", run="made", plan="", asked=9, digest="d"),
        Decline(gate="cut", reason="red"),
        RequestWheel(),
    ):
        assert await source.send(refused) == "this screen shows the past: $ goes back to now"
    assert await source.send(Hold(reason="wait")) is None
    assert sent.asked == [Hold(reason="wait")]
    await screen.close()


ACTING = (
    *("asyncssh", "dns", "httpx", "aiosmtpd", "cockpit.hosts", "cockpit.probes", "cockpit.lab", "cockpit.people"),
    *(
        "cockpit.conductor.server",
        "cockpit.conductor.assembly",
        "cockpit.conductor.hands",
        "cockpit.conductor.headless",
    ),
    *("cockpit.engine.engine", "cockpit.engine.life", "cockpit.ui.deeds", "cockpit.journal.writer"),
)


@pytest.mark.parametrize(
    "code",
    [
        "import cockpit.cli.replay, cockpit.replay.player, cockpit.replay.against, cockpit.ui.versus",
        "import cockpit.cli.watch, cockpit.cli.live, cockpit.conductor.client, cockpit.replay.rewind",
    ],
    ids=["replay", "watch"],
)
def test_what_replays_or_watches_has_loaded_nothing_that_could_act(code: str) -> None:
    code = (
        f"{code}, cockpit.ui.app, cockpit.ui.scrubber, cockpit.ui.looking, cockpit.ui.around, cockpit.ui.moving\n"
        f"import sys; print(*(n for n in sys.modules if n.startswith({ACTING!r})))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
