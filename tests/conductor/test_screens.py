"""What screens showed is kept: whole, harmless, without secrets, bounded, and proven by the journal."""

from __future__ import annotations

import asyncio
import contextlib
import pwd
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.clock import SystemClock
from cockpit.conductor import roster, server, wire
from cockpit.conductor.client import LiveSource
from cockpit.conductor.screens import DRIVER, Screens, without_secrets
from cockpit.engine.ledger import Ledger
from cockpit.events import Event, Record, RunStarted, ScreenKept, Trouble, Who
from cockpit.journal.reader import records
from cockpit.journal.redaction import Redactor
from cockpit.journal.screens import ScreenGone, kept
from cockpit.journal.writer import JournalWriter
from cockpit.picture.ink import _ink, ink, text_of
from cockpit.picture.seen import Field, Seen
from cockpit.picture.svg import again
from tests.conductor.seats import Run, conducted, screen
from tests.engine.world import small_plan
from tests.report.making import HOSTILE

SECRET = "correct-horse-battery"
NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    async with conducted(tmp_path) as made:
        yield made


def seen(
    *lines: str, why: str = "confirmed", of: str = "open-gate good", width: int = 40, fields: tuple[Field, ...] = ()
) -> Seen:
    return Seen(
        why=why, of=of, shown=7, page="board", width=width, height=max(len(lines), 3), version="1.0",
        lines=tuple(((line, "bold #ff0000"),) for line in lines), fields=fields,
    )  # fmt: skip


class Keeping:
    def __init__(self, folder: Path, journal: JournalWriter, redactor: Redactor) -> None:
        self.folder = folder
        self.ledger = Ledger(journal)
        journal.subscribe(self.ledger.observe)
        self.redactor = redactor
        self.screens = Screens(folder, self.ledger, self.redactor, SystemClock())

    def events(self, kind: type[Event]) -> list[Record]:
        return [record for record in records(self.folder / "journal.jsonl") if isinstance(record.event, kind)]

    def saw(self, who: str, shown: Seen, whose: str = DRIVER) -> None:
        if self.screens.admits(whose):
            self.screens.saw(who, shown)

    async def settled(self) -> list[ScreenKept]:
        async with asyncio.timeout(120):
            while not self.screens._idle.is_set():
                await self.screens.settled()
        await self.ledger.write(Trouble(message="behind it"), "test")
        return [record.event for record in self.events(ScreenKept) if isinstance(record.event, ScreenKept)]


@pytest_asyncio.fixture
async def at(tmp_path: Path) -> AsyncIterator[Keeping]:
    redactor = Redactor(b"key")
    redactor.add("db", SECRET)
    async with JournalWriter(tmp_path / "journal.jsonl", SystemClock(), redactor=redactor) as journal:
        made = Keeping(tmp_path, journal, redactor)
        await made.ledger.write(RunStarted(run="night", plan=small_plan()), "test")
        task = asyncio.create_task(made.screens.run())
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_screen_is_kept_as_picture_and_text_and_the_journal_proves_both(at: Keeping) -> None:
    at.saw("tom", seen("one", "  two", "三 three"))
    event = (await at.settled())[0]
    assert (event.why, event.of, event.by, event.shown, event.width, event.height) == (
        "confirmed", "open-gate good", "tom", 7, 40, 3,
    )  # fmt: skip
    picture, text = kept(at.folder, event.file, event.svg, event.text)
    assert text == "one\n  two\n三 three\n"
    assert "open-gate good" in picture.decode()
    assert event.bytes == sum(path.stat().st_size for path in (at.folder / "screens").iterdir())
    assert {path.name for path in (at.folder / "screens").iterdir()} == {
        "00001-confirmed-open-gate-good.svg", "00001-confirmed-open-gate-good.txt",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in (at.folder / "screens").iterdir())
    (at.folder / f"{event.file}.txt").write_text("another\n")
    with pytest.raises(ScreenGone, match="was changed"):
        kept(at.folder, event.file, event.svg, event.text)
    (at.folder / f"{event.file}.svg").unlink()
    with pytest.raises(ScreenGone, match="is missing"):
        kept(at.folder, event.file, event.svg, event.text)


async def test_no_secret_gets_into_what_is_kept_however_it_came_to_the_screen(at: Keeping) -> None:
    longer = "x" * 60 + SECRET
    field = Field(x=2, y=2, width=12, height=1, typed=longer)
    at.saw("tom", seen(f"a {SECRET}b", "nothing", f"> {SECRET[-12:]}", of=f"note {SECRET}", fields=(field,)))
    event = (await at.settled())[0]
    picture, text = kept(at.folder, event.file, event.svg, event.text)
    files = b"".join(path.read_bytes() + path.name.encode() for path in (at.folder / "screens").iterdir())
    for data in (files, (at.folder / "journal.jsonl").read_bytes()):
        assert SECRET.encode() not in data
        assert SECRET[-12:].encode() not in data
    assert text.splitlines()[0] == "a " + "▒" * len(SECRET) + "b"
    assert text.splitlines()[2] == "> " + "▒" * 12
    assert "‹secret db›" in picture.decode()


@settings(max_examples=80, deadline=None)
@given(some.lists(some.text(some.sampled_from("ab三 \x1b漢"), max_size=8), min_size=1, max_size=3), some.integers(0, 2))
def test_hiding_a_secret_changes_its_own_cells_and_no_other(parts: list[str], place: int) -> None:
    redactor = Redactor(b"key")
    redactor.add("db", SECRET)
    parts = [*parts[:place], SECRET, *parts[place:]]
    plain = without_secrets(seen("".join(parts), width=120), Redactor(b""))
    hidden = without_secrets(seen("".join(parts), width=120), redactor)
    assert text_of(hidden) == text_of(plain).replace(SECRET, "▒" * len(SECRET))
    assert SECRET not in text_of(hidden)


async def test_what_acts_on_a_terminal_or_a_page_is_shown_and_does_not_act(at: Keeping) -> None:
    evil = msgspec.structs.replace(
        seen(HOSTILE, of=HOSTILE, width=200), page=HOSTILE, version=HOSTILE,
        lines=(((HOSTILE, 'bold" onload="x()'),), (("\x1b[2J\x9b31m", "\x1b[31m"),)),
    )  # fmt: skip
    at.saw(HOSTILE, evil)
    event = (await at.settled())[0]
    picture, text = kept(at.folder, event.file, event.svg, event.text)
    assert again(picture)
    ElementTree.fromstring(picture)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text + picture.decode() + event.of + event.page)
    assert re.fullmatch(r"screens/[a-z0-9-]+", event.file)
    assert "onload" not in re.sub(r">[^<]*<", "><", picture.decode())


async def test_more_screens_than_may_be_kept_are_counted(at: Keeping) -> None:
    for _ in range(60):
        at.saw("tom", seen("one"))
    at.saw("tom", msgspec.structs.replace(seen("one"), width=0))
    at.saw("tom", msgspec.structs.replace(seen("one"), height=100_000))
    first = len(await at.settled())
    assert first == 16
    at.saw("tom", seen("two"))
    found = await at.settled()
    assert len(found) == first + 1
    assert found[0].left_out + found[-1].left_out == 60 - first + 2


async def test_who_watches_cannot_use_up_what_the_driver_s_screens_need(at: Keeping) -> None:
    for _ in range(40):
        at.saw("ann", seen("watcher"), "uid 7")
    at.saw("tom", seen("driver"))
    assert [event.by for event in await at.settled()] == ["ann"] * 4 + ["tom"]


async def test_a_screen_whose_picture_would_be_huge_is_not_kept(at: Keeping) -> None:
    colours = tuple(("x", f"#{number % 4096:06x}") for number in range(500))
    at.saw("tom", msgspec.structs.replace(seen("x"), width=500, height=200, lines=(colours,) * 200))
    at.saw("tom", seen("one"))
    assert [(event.left_out, event.width) for event in await at.settled()] == [(1, 40)]


async def test_a_disk_that_takes_no_screen_is_told_once_and_stops_nobody(
    at: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cockpit.journal.screens.os.fdatasync", full)
    for _ in range(3):
        at.saw("tom", seen("one"))
    await at.screens.settled()
    monkeypatch.undo()
    at.saw("tom", seen("two"))
    found = await at.settled()
    assert [event.left_out for event in found] == [3]
    said = [record.event.message for record in at.events(Trouble) if isinstance(record.event, Trouble)]
    assert [message for message in said if "screen" in message] == [
        "what was on the screen could not be kept: No space left on device"
    ]
    assert len(list((at.folder / "screens").iterdir())) == 2, "no half of a pair is left"


async def test_a_resumed_run_goes_on_counting_and_writes_over_nothing(at: Keeping) -> None:
    at.saw("tom", seen("one"))
    await at.settled()
    second = Screens(at.folder, at.ledger, at.redactor, SystemClock())
    task = asyncio.create_task(second.run())
    assert second.admits()
    second.saw("ann", seen("two"))
    await second.settled()
    found = await at.settled()
    task.cancel()
    assert [kept(at.folder, event.file, event.svg, event.text)[1].split()[0] for event in found] == ["one", "two"]


@pytest.mark.parametrize("name", ["../journal", "screens/../../x", "/etc/passwd", "screens/A", "screens/", "raw/x"])
def test_a_name_that_leads_elsewhere_is_not_followed(tmp_path: Path, name: str) -> None:
    event = ScreenKept(
        why="failed",
        of="x",
        by="x",
        shown=1,
        page="",
        width=1,
        height=1,
        version="",
        file=name,
        bytes=0,
        svg="",
        text="",
    )
    with pytest.raises(ScreenGone, match="no name"):
        kept(tmp_path, event.file, event.svg, event.text)


async def test_over_the_socket_the_driver_and_who_confirms_are_heard_and_nobody_else_tells_of_failures(
    run: Run, tmp_path: Path
) -> None:
    redactor = Redactor(b"")
    keeper = Screens(tmp_path, run.ledger, redactor, SystemClock())
    run.server._screens = keeper
    task = asyncio.create_task(keeper.run())
    async with screen(run) as driver, screen(run, "ann", "") as watcher:
        await driver.until(lambda: driver.source.drives)
        driver.source.saw(seen("driver", why="failed", of="s0/copy"))
        watcher.source.saw(seen("watcher", why="failed", of="s0/copy"))
        watcher.source.saw(seen("watcher", of="confirm pilot-good"))
        await driver.until(lambda: sum(isinstance(record.event, ScreenKept) for record in driver.got) == 2)
        assert isinstance(driver.source, LiveSource)
    found = {event.of: event for record in run.events(ScreenKept) if isinstance(event := record.event, ScreenKept)}
    assert {of: event.by.split()[0] for of, event in found.items()} == {"s0/copy": "tom", "confirm pilot-good": "ann"}
    task.cancel()


class Wire:
    """A raw connection that has said hello."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def asked(self) -> bytes:
        """Ask for a hold; what is answered, b"" when the connection is over."""
        self.writer.write(wire.encode(wire.Ask(id=1, intent=it.Hold(reason="look at this"))))
        async with asyncio.timeout(20):
            while (line := await self.reader.readline()) and b'"refusal"' not in line:
                pass
        return line


@contextlib.asynccontextmanager
async def by_the_door(run: Run, folder: Path, may: Literal["watch", "confirm"]) -> AsyncIterator[Wire]:
    """A raw connection of another account."""
    with pytest.MonkeyPatch.context() as patch:
        real = roster.peer_of

        def peer_of(writer: asyncio.StreamWriter) -> roster.Peer:
            other = "cockpit-door-" in str(writer.get_extra_info("sockname"))
            return replace(real(writer), uid=NOBODY, account="nobody") if other else real(writer)

        patch.setattr(server, "peer_of", peer_of)
        patch.setenv("COCKPIT_DOORS", str(folder))
        await run.server._door.ask(it.GiveAccess(account="nobody", may=may), Who(name="ann"), True)
        reader, writer = await asyncio.open_unix_connection(run.ledger.state.door, limit=wire.LINE_LIMIT)
        writer.write(wire.encode(wire.Hello(name="eve", after=0)))
        yield Wire(reader, writer)
        writer.close()


async def test_of_another_account_only_what_it_saw_as_the_second_person_is_read_and_so_many(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is turned away is not even decoded: a megabyte of that would hold up every probe."""
    decoded: list[bytes] = []
    real = wire.shown
    monkeypatch.setattr(wire, "shown", lambda line: decoded.append(line) or real(line))
    monkeypatch.setattr(server, "GUEST_REST", 0.0)
    keeper = Screens(tmp_path, run.ledger, Redactor(b""), SystemClock())
    run.server._screens = keeper
    task = asyncio.create_task(keeper.run())
    async with by_the_door(run, tmp_path, "watch") as eve:
        eve.writer.write(wire.encode(seen("x", of="confirm pilot-good")))
        assert b'"refusal"' in await eve.asked()
        assert not decoded
    async with by_the_door(run, tmp_path, "confirm") as eve:
        for of in ("open-gate pilot-good", *["confirm pilot-good"] * 30):
            eve.writer.write(wire.encode(seen("x", of=of)))
        assert b'"refusal"' in await eve.asked()
    assert len(decoded) <= 6
    async with asyncio.timeout(20):
        while not keeper._idle.is_set():
            await asyncio.sleep(0.01)
    await run.ledger.write(Trouble(message="behind it"), "test")
    told = [record.event for record in run.events(ScreenKept)]
    assert {event.of for event in told if isinstance(event, ScreenKept)} == {"confirm pilot-good"}
    # Who drives has a share of its own.
    assert keeper.admits()
    task.cancel()


async def test_what_another_account_asks_is_short(run: Run, tmp_path: Path) -> None:
    async with by_the_door(run, tmp_path, "confirm") as eve:
        eve.writer.write(wire.encode(wire.Ask(id=1, intent=it.Hold(reason="x" * server.GUEST_LINE))))
        assert await eve.asked() == b""
    assert not run.ledger.state.holds


def test_an_ink_as_long_as_somebody_likes_is_the_plain_one_and_not_remembered() -> None:
    before = _ink.cache_info().currsize
    assert ink("bold " * 1000) == ink("")
    assert ink("bold #ff0000 on #00ff00").back == "#00ff00"
    assert _ink.cache_info().currsize <= before + 2


@contextlib.asynccontextmanager
async def at_home(run: Run) -> AsyncIterator[Wire]:
    """A raw connection of the account that conducts."""
    reader, writer = await asyncio.open_unix_connection(str(run.socket), limit=wire.LINE_LIMIT)
    writer.write(wire.encode(wire.Hello(name="eve", after=0)))
    yield Wire(reader, writer)
    writer.close()


@pytest.mark.parametrize("by_door", [False, True])
async def test_a_screen_that_is_too_large_loses_its_connection_and_no_more(
    run: Run, tmp_path: Path, by_door: bool
) -> None:
    """One that is only large is taken, by the door too: the yes of the second person comes behind it."""
    async with by_the_door(run, tmp_path, "confirm") if by_door else at_home(run) as eve:
        eve.writer.write(wire.encode(seen("x" * (wire.SCREEN_LIMIT // 2))))
        assert b'"refusal":""' in await eve.asked()
        assert run.ledger.state.holds
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                eve.writer.write(wire.encode(seen("x" * wire.SCREEN_LIMIT)))
                while await eve.reader.readline():
                    pass
    async with screen(run) as driver:
        assert await driver.source.send(it.Pause()) is None
