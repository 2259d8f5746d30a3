"""Log tails over SSH: every line once over dropped links and rotation, harmless whatever is in it, in bounded memory."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cockpit.events import LogSeen, Record, Trouble
from cockpit.hosts.hearing import Hearer
from cockpit.hosts.pool import HostPool
from cockpit.hosts.tail import Tails
from cockpit.hosts.telling import MOST_LINES
from cockpit.lab import Lab
from cockpit.plan.model import Log, WaitLog
from cockpit.reduce import reduce
from cockpit.state import RING, RunState
from tests.hosts.told import Told

LOG = Log(host="old", file="tmp/a log's name", alarm="fatal|50[0-9]")


@asynccontextmanager
async def tailed(pool: HostPool, told: Told) -> AsyncIterator[Tails]:
    tails = Tails(pool, (LOG,), told, told.raw)
    running = asyncio.create_task(tails.run())
    try:
        yield tails
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Ear:
    """What it heard; a line that it cannot take is a fault of its own."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.beats = 0

    def hear(self, lines: list[bytes]) -> None:
        if any(b"odd" in line for line in lines):
            raise OverflowError("int too large to convert to float")
        self.lines += lines

    def beat(self) -> None:
        self.beats += 1

    def lost(self, size: int) -> None: ...


@asynccontextmanager
async def hearing(pool: HostPool, told: Told, file: str) -> AsyncIterator[tuple[Hearer, Ear]]:
    """A log that is only counted, beside LOG."""
    ear = Ear()
    hearer = Hearer(Log(host="old", file=file), ear)
    tails = Tails(pool, (LOG,), told, told.raw, heard=(hearer,))
    running = asyncio.create_task(tails.run())
    try:
        yield hearer, ear
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(holds: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.fixture
def log(lab: Lab) -> Path:
    path = lab.old.home / LOG.file
    path.write_bytes(b"")
    return path


def lines(told: Told) -> list[str]:
    return [line for event in told.of(LogSeen) for line in event.lines]


def write(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def seen(told: Told, wanted: str) -> None:
    await told.until(lambda: wanted in lines(told), 30)


async def until_followed(log: Path, told: Told) -> None:
    write(log, b"begun\n")
    await seen(told, "begun")
    told.events.clear()


async def test_lines_come_whole_though_they_are_written_in_pieces(pool: HostPool, told: Told, log: Path) -> None:
    async with tailed(pool, told):
        await until_followed(log, told)
        for piece in (b"first ha", b"lf\nsec", b"ond\nthird without its end"):
            write(log, piece)
            await asyncio.sleep(0.25)
        assert lines(told) == ["first half", "second"]
        write(log, b"\n")
        await seen(told, "third without its end")


async def test_no_line_is_lost_or_doubled_over_dropped_links(pool: HostPool, told: Told, log: Path, lab: Lab) -> None:
    async with tailed(pool, told):
        await until_followed(log, told)
        for batch in range(40):
            for number in range(40):
                write(log, b"line %d\n" % (batch * 40 + number))
            if batch % 10 == 5:
                lab.ssh["old"].drop()
                await told.link("old", "down")
                told.events[:] = told.of(LogSeen)
            await asyncio.sleep(0.03)
        write(log, b"last\n")
        await seen(told, "last")
    assert lines(told) == [f"line {number}" for number in range(1600)] + ["last"]


async def test_a_rotated_log_is_read_to_its_end_and_the_new_one_from_its_beginning(
    pool: HostPool, told: Told, log: Path
) -> None:
    async with tailed(pool, told):
        await until_followed(log, told)
        write(log, b"before\n")
        await seen(told, "before")
        write(log, b"last words\n")
        log.rename(f"{log}.1")
        log.write_bytes(b"new file\n")
        await seen(told, "new file")
    assert lines(told) == ["before", "last words", "new file"]


async def test_a_log_cut_to_nothing_is_read_anew(pool: HostPool, told: Told, log: Path) -> None:
    async with tailed(pool, told):
        await until_followed(log, told)
        write(log, b"x" * 3000 + b"\n")
        await seen(told, "x" * 3000)
        log.write_bytes(b"")
        await asyncio.sleep(0.5)
        write(log, b"after the cut\n")
        await seen(told, "after the cut")


async def test_a_log_that_comes_to_be_later_is_followed(pool: HostPool, told: Told, log: Path) -> None:
    log.unlink()
    async with tailed(pool, told):
        await asyncio.sleep(0.5)
        log.write_bytes(b"here now\n")
        await seen(told, "here now")


async def test_lines_that_match_the_alarm_are_marked(pool: HostPool, told: Told, log: Path) -> None:
    async with tailed(pool, told):
        await until_followed(log, told)
        write(log, b"fine\nfatal: no\nfine\nGET / 503\n")
        await seen(told, "GET / 503")
    alarms = [event.lines[index] for event in told.of(LogSeen) for index in event.alarms]
    assert alarms == ["fatal: no", "GET / 503"]


async def test_a_flood_is_counted_where_it_is_not_told_and_its_bytes_are_kept(
    pool: HostPool, told: Told, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The least share of a log: also a slow machine has more to read than that.
    monkeypatch.setattr("cockpit.hosts.tail.PER_SECOND", 20_000.0)
    flood = b"".join(b"%d\n" % number for number in range(600_000))
    async with tailed(pool, told):
        await until_followed(log, told)
        write(log, flood)
        await seen(told, "599999")
    events = told.of(LogSeen)
    assert max(len(event.lines) for event in events) <= MOST_LINES
    assert sum(len(event.lines) + event.dropped for event in events) == 600_000
    assert sum(event.dropped for event in events) > 0
    [raw] = (tmp_path / "raw").iterdir()
    assert raw.read_bytes() == b"begun\n" + flood


EMPTY = 1_000_000 if os.environ.get("COCKPIT_LINES") == "all" else 200_000
HOSTILE: dict[str, tuple[bytes, Callable[[list[str]], bool]]] = {
    "escape sequences": (b"\x1b[2J\x1b[31mred\x1b]0;title\x07 \x9b5m\n", lambda found: r"red \x9b5m" in found),
    "clipboard": (b"a\x1b]52;c;cm0gLXJmIC8=\x07b\n", lambda found: "ab" in found),
    "markup": (
        b"[bold red on white]x[/] [@click=app.quit]y[/]\n",
        lambda found: "[bold red on white]x[/] [@click=app.quit]y[/]" in found,
    ),
    "invalid UTF-8": (b"caf\xe9 \xff\xfe\xc3\n", lambda found: r"caf\xe9 \xff\xfe\xc3" in found),
    "50 MB in one line": (
        b"y" * 50_000_000 + b"\n",
        lambda found: sum(line.startswith("y" * 4000) for line in found) > 50,
    ),
    "50 MB of NUL": (b"\0" * 50_000_000 + b"\n", lambda found: sum(line.startswith("·" * 4000) for line in found) > 50),
    "empty lines": (b"\n" * EMPTY, lambda found: found.count("") > 100),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_lines_are_harmless_text_in_bounded_memory(
    pool: HostPool, lab: Lab, log: Path, kind: str
) -> None:
    data, right = HOSTILE[kind]
    state = RunState()
    found: list[str] = []
    over = asyncio.Event()

    def emit(event: object) -> None:
        nonlocal state
        if not isinstance(event, LogSeen):
            return
        state = reduce(state, Record(seq=state.seq + 1, utc=state.seq * 0.1, mono=0.0, actor="", event=event))
        found.extend(line[:4050] for line in event.lines[-50:])
        if "the end" in event.lines:
            over.set()

    await asyncio.to_thread(write, log, b"begun\n")
    tails = Tails(pool, (LOG,), emit, lambda name, data, at=None: 0)
    running = asyncio.create_task(tails.run())
    try:
        async with asyncio.timeout(120):
            while not state.logs:
                await asyncio.sleep(0.05)
            tracemalloc.start()
            try:
                await asyncio.to_thread(write, log, data + b"the end\n")
                await over.wait()
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert right(found), found[:3]
    # What the test itself holds of the data is not traced but for its copy in `write`; what is told is cut and ringed.
    assert peak < len(data) + 40_000_000
    [view] = state.logs.values()
    assert len(view.lines) <= RING
    assert all(len(text) < 4200 and text.isprintable() for _, _, text, _ in view.lines)


async def wait(tails: Tails, mark: str, pattern: str, timeout: float = 5) -> tuple[bool, str]:
    return await tails.wait_for(WaitLog(host="old", file=LOG.file, pattern=pattern, timeout=timeout), mark)


async def test_a_wait_sees_only_what_is_written_after_its_mark(pool: HostPool, told: Told, log: Path) -> None:
    tails = Tails(pool, (), told, told.raw)
    write(log, b"relayed to new\n")
    mark = await tails.mark("old", LOG.file)
    appeared, why = await wait(tails, mark, "relayed", 0.3)
    assert (appeared, "it did not appear" in why) == (False, True)
    later = asyncio.create_task(wait(tails, mark, "relayed (to|by) new"))
    await asyncio.sleep(0.3)
    write(log, b"again relayed to new\n")
    assert await later == (True, f"old:{LOG.file} says again relayed to new")


async def test_a_wait_reads_a_log_that_was_rotated_from_its_beginning(pool: HostPool, told: Told, log: Path) -> None:
    tails = Tails(pool, (), told, told.raw)
    write(log, b"x" * 1000 + b"\n")
    mark = await tails.mark("old", LOG.file)
    log.rename(f"{log}.1")
    write(log, b"delivered\n")
    assert (await wait(tails, mark, "delivered"))[0]


async def test_a_log_that_cannot_be_read_is_in_trouble_until_it_can_be_and_then_told_from_there(
    pool: HostPool, told: Told, log: Path, lab: Lab
) -> None:
    other = lab.old.home / "tmp/access.log"
    other.mkdir()
    async with hearing(pool, told, "tmp/access.log") as (hearer, ear):
        await until(lambda: hearer.trouble == "it is not a regular file" and ear.beats > 1)
        other.rmdir()
        other.write_bytes(b"before\n")
        await until(lambda: hearer.trouble == "")
        beats = ear.beats
        await until(lambda: ear.beats > beats)
        write(other, b"after\n")
        await until(lambda: ear.lines)
        assert ear.lines == [b"after"]
        assert len([event for event in told.of(Trouble) if "cannot be read" in event.message]) == 1


async def test_a_log_that_was_not_found_is_missing_until_it_is(pool: HostPool, told: Told, log: Path, lab: Lab) -> None:
    other = lab.old.home / "tmp/access.log"
    async with hearing(pool, told, "tmp/access.log") as (hearer, ear):
        await until(lambda: ear.beats > 1)
        assert hearer.missing
        write(other, b"first\n")
        await until(lambda: ear.lines == [b"first"])
        assert not hearer.missing


async def test_a_line_that_cannot_be_taken_is_told_once_and_ends_no_tail(
    pool: HostPool, told: Told, log: Path, lab: Lab
) -> None:
    other = lab.old.home / "tmp/access.log"
    async with hearing(pool, told, "tmp/access.log") as (_, ear):
        await until_followed(log, told)
        for number in range(3):
            write(other, b"odd\n")
            await asyncio.sleep(0.3)
            write(log, b"line %d\n" % number)
            await seen(told, f"line {number}")
        write(other, b"good\n")
        await until(lambda: ear.lines[-1:] == [b"good"])
        [fault] = [event for event in told.of(Trouble) if "could not be taken" in event.message]
        assert fault.where == "old"
