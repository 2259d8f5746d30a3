"""The tail agents, in Python and in three shells: each kind of rotation on its own, with and without lost agents."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cockpit.events import HostClock, LogGap, LogSeen, Trouble
from cockpit.hosts.frames import Frame
from cockpit.hosts.tail import Tails
from cockpit.plan.model import Log, WaitLog
from tests.hosts.local import SHELLS, LocalPool
from tests.hosts.told import Told
from tests.soak.rotation import KINDS, PLAIN_KINDS, Rotated, wrong

NAME = "app's log.log"


class Seat:
    """An agent's home with one log, and what is told of it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        (folder / "raw").mkdir(exist_ok=True)
        self.pool = LocalPool(folder, kind)
        self.told = Told(folder / "raw")
        self.log = Rotated(folder / NAME, PLAIN_KINDS if kind == "busybox" else KINDS)
        self.positions: dict[str, tuple[str, int]] = {}

    def tails(self, *logs: Log) -> Tails:
        return Tails(self.pool, logs or (Log(host="old", file=NAME),), self.told, self.told.raw, self.positions)  # type: ignore[arg-type]

    def lines(self) -> list[str]:
        return [line for event in self.told.of(LogSeen) for line in event.lines]

    async def until_told(self) -> None:
        last = self.log.line(self.log.lines - 1)
        await self.told.until(lambda: last in self.lines(), 120)

    async def until_running(self) -> None:
        async with asyncio.timeout(10):
            while not self.told.of(HostClock) or not self.pool.running:
                await asyncio.sleep(0.02)

    def raw(self) -> bytes:
        [file] = (self.folder / "raw").iterdir()
        return file.read_bytes()


@asynccontextmanager
async def following(seat: Seat, *logs: Log) -> AsyncIterator[Tails]:
    tails = seat.tails(*logs)
    running = asyncio.create_task(tails.run())
    try:
        yield tails
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(params=SHELLS)
def seat(request: pytest.FixtureRequest, tmp_path: Path) -> Seat:
    return Seat(tmp_path, request.param)


@pytest.fixture
def python(tmp_path: Path) -> Seat:
    return Seat(tmp_path, "python")


async def test_every_kind_of_rotation_keeps_every_line_once(seat: Seat) -> None:
    seat.log.write(5)
    async with following(seat):
        await seat.until_told()
        for kind in seat.log.kinds:
            seat.log.write(120)
            seat.log.rotate(kind)
            seat.log.write(3)
            await seat.until_told()
    assert wrong(seat.log, seat.lines()) == ""
    assert seat.raw().decode().splitlines() == seat.lines()
    assert not seat.told.of(LogGap) + seat.told.of(Trouble)


def looked_for(seat: Seat) -> tuple[str, ...]:
    """The kinds of rotation to find an agent's way through: all with Python; the shells, which are slow at it, share them."""
    if seat.kind == "python" or os.environ.get("COCKPIT_ROTATIONS") == "all":
        return seat.log.kinds
    shells = [kind for kind in SHELLS if kind != "python"]
    return seat.log.kinds[shells.index(seat.kind) :: len(shells)]


async def test_rotations_while_nobody_looks_are_read_in_their_order_afterwards(seat: Seat) -> None:
    seat.log.write(10)
    async with following(seat):
        await seat.until_told()
        for kind in looked_for(seat):
            seat.pool.down = True
            seat.pool.drop()
            seat.log.write(30)
            seat.log.rotate(kind)
            seat.log.write(90)
            seat.log.rotate("rename")
            seat.pool.down = False
            await seat.until_told()
    assert wrong(seat.log, seat.lines()) == ""
    assert not seat.told.of(LogGap) + seat.told.of(Trouble)


@pytest.mark.parametrize("first", [0, 30])
async def test_a_file_that_was_announced_and_not_read_is_looked_for_anew(seat: Seat, first: int) -> None:
    # Copies of it are older than it is by then, and it has another name.
    if first:
        seat.log.write(first)
    async with following(seat) as tails:
        await seat.until_running()
        if first:
            await seat.until_told()
        seat.pool.down = True
        seat.pool.drop()
        if first:
            seat.log.rotate("rename-gzip")
        seat.log.write(50)
        status = seat.log.path.stat()
        [teller] = tails._tellers["old"]
        frame = Frame("F", serial=7, key=f"{status.st_dev}:{status.st_ino}", mtime=status.st_mtime_ns)
        teller.position.take(frame)
        for kind in ("three-copies", "rename", "copytruncate"):
            seat.log.write(40)
            seat.log.rotate(kind)
        seat.log.write(1)
        seat.pool.down = False
        await seat.until_told()
    assert wrong(seat.log, seat.lines()) == ""
    assert not seat.told.of(LogGap) + seat.told.of(Trouble)


async def test_a_python_agent_and_a_shell_agent_take_over_from_each_other(python: Seat, tmp_path: Path) -> None:
    python.log.write(300)
    async with following(python):
        await python.until_told()
        for kind in ("dash", "python2"):
            (tmp_path / "bin-python/python3").rename(tmp_path / "python") if kind == "dash" else (
                tmp_path / "python"
            ).rename(tmp_path / "bin-python/python3")
            python.pool.python = kind != "dash"
            python.pool.drop()
            python.log.rotate("rename-gzip")
            python.log.write(50)
            await python.until_told()
    assert wrong(python.log, python.lines()[-python.log.lines :])[:60] == "" or python.lines()[0] != python.log.line(0)
    told = python.lines()
    assert told == [python.log.line(number) for number in range(python.log.lines - len(told), python.log.lines)]


async def test_a_conductor_that_starts_again_goes_on_where_its_journal_ends(python: Seat) -> None:
    python.log.write(10)
    async with following(python):
        await python.until_told()
    told = python.told.of(LogSeen)[-1]
    # What came behind the journal's last event is in the raw file only: it is cut off and read again.
    python.told.raw(told.raw.removeprefix("raw/"), b"not in the journal\n")
    python.positions = {f"old:{NAME}": (told.position, told.offset + told.length)}
    python.log.write(20)
    python.log.rotate("rename-gzip")
    async with following(python):
        await python.until_told()
    assert wrong(python.log, python.lines()) == ""
    assert python.raw().decode().splitlines() == python.lines()


async def test_lines_that_a_late_writer_puts_into_the_renamed_file_are_told(seat: Seat) -> None:
    seat.log.write(10)
    async with following(seat):
        await seat.until_told()
        late = (seat.folder / NAME).open("a")
        seat.log.rotate("rename")
        await seat.until_told()
        late.write("late\n")
        late.close()
        await seat.told.until(lambda: "late" in seat.lines())


async def test_a_line_that_was_cut_in_two_by_copytruncate_is_one_line(seat: Seat) -> None:
    log = seat.folder / NAME
    log.write_text("begun\n" + "x" * 100 + "\n")
    async with following(seat):
        await seat.told.until(lambda: "begun" in seat.lines())
        with log.open("a") as file:
            file.write("first ha")
            file.flush()
            await asyncio.sleep(0.3)
            (seat.folder / f"{NAME}.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)
            file.write("lf\nsecond\n")
        await seat.told.until(lambda: "second" in seat.lines())
    assert seat.lines()[-2:] == ["first half", "second"]


async def test_what_the_host_itself_has_lost_is_a_gap(seat: Seat) -> None:
    log = seat.folder / NAME
    log.write_text("begun\n" + "x" * 100 + "\n")
    async with following(seat):
        await seat.told.until(lambda: "begun" in seat.lines())
        seat.pool.down = True
        seat.pool.drop()
        log.unlink()
        log.write_text("afterwards\n" + "y" * 100 + "\n")
        seat.pool.down = False
        await seat.told.until(lambda: "afterwards" in seat.lines(), 20)
    [gap] = seat.told.of(LogGap)
    assert (gap.host, gap.file) == ("old", NAME)
    assert seat.told.events.index(gap) < seat.told.events.index(seat.told.of(LogSeen)[-1])


async def test_a_log_that_cannot_be_read_says_why_and_hides_no_other(seat: Seat) -> None:
    (seat.folder / "folder").mkdir()
    seat.log.write(3)
    async with following(seat, Log(host="old", file="folder"), Log(host="old", file=NAME)):
        await seat.until_told()
        await seat.told.until(lambda: seat.told.of(Trouble))
    assert [event.message for event in seat.told.of(Trouble)] == ["old:folder cannot be read: it is not a regular file"]


async def test_a_log_is_in_trouble_until_it_can_be_read_again_also_when_nothing_is_written_to_it(seat: Seat) -> None:
    (seat.folder / "folder").mkdir()
    async with following(seat, Log(host="old", file="folder")) as tails:
        [lines] = tails._tellers["old"]
        async with asyncio.timeout(15):
            while lines.trouble != "it is not a regular file":
                await asyncio.sleep(0.02)
            (seat.folder / "folder").rmdir()
            (seat.folder / "folder").write_bytes(b"")
            while lines.trouble:
                await asyncio.sleep(0.02)


async def test_a_flood_in_one_log_does_not_hold_up_another(python: Seat) -> None:
    flood = b"".join(b"%d\n" % number for number in range(2_000_000))
    python.log.write(3)
    other = python.folder / "other.log"
    other.write_bytes(b"")
    async with following(python, Log(host="old", file="other.log"), Log(host="old", file=NAME)):
        await python.until_told()
        await asyncio.to_thread(other.write_bytes, flood)
        await python.told.until(lambda: any(event.file == "other.log" for event in python.told.of(LogSeen)))
        python.log.write(1)
        await python.until_told()
        await python.told.until(lambda: "1999999" in python.lines()[-50:], 60)
    events = [event for event in python.told.of(LogSeen) if event.file == "other.log"]
    assert sum(len(event.lines) + event.dropped for event in events) == 2_000_000
    assert (python.folder / "raw/log.old.other.log").read_bytes() == flood
    mine = max(place for place, event in enumerate(python.told.events) if getattr(event, "file", "") == NAME)
    assert any(getattr(event, "file", "") == "other.log" for event in python.told.events[mine:])


async def test_a_wait_finds_its_line_behind_the_mark_over_a_rotation(seat: Seat) -> None:
    """S9: a line that a step waits for in a log that is followed; what stood there before its mark does not count."""
    seat.log.write(200)
    tails = seat.tails()
    mark = await tails.mark("old", NAME)
    seat.log.write(1)
    wanted = seat.log.line(seat.log.lines - 1)
    seat.log.rotate("rename-gzip")
    found, said = await tails.wait_for(WaitLog(host="old", file=NAME, pattern="00000200 GET", timeout=20), mark)
    assert (found, said) == (True, f"old:{NAME} says {wanted}")
    found, _ = await tails.wait_for(WaitLog(host="old", file=NAME, pattern="00000199 GET", timeout=1.5), mark)
    assert not found


JOURNALCTL = """#!/bin/sh
# Speaks as journalctl does, of entries in the file `entries`: one message a line, the cursor its number.
after=0 out=json n=
while [ $# -gt 0 ]; do
    case $1 in --after-cursor=*) after=${1#*=} ;; -o) out=$2; shift ;; -n) n=$2; shift ;; esac
    shift
done
number=0
while IFS= read -r message; do
    number=$((number + 1))
    [ $number -gt "$after" ] || continue
    if [ "$out" = json ]; then
        echo "{\\"__CURSOR\\":\\"$number\\",\\"__REALTIME_TIMESTAMP\\":\\"1795251600123456\\",\\"_HOSTNAME\\":\\"h\\",\\"SYSLOG_IDENTIFIER\\":\\"smtpd\\",\\"_PID\\":\\"7\\",\\"MESSAGE\\":\\"$message\\"}"
    else
        echo "2026-11-21T09:00:00.123456+0000 h smtpd[7]: $message"
    fi
    last=$number
done <entries
[ "$out" = json ] || [ -z "$last" ] || echo "-- cursor: $last"
"""


async def test_a_unit_is_followed_from_cursor_to_cursor_over_lost_agents(seat: Seat) -> None:
    tool = seat.folder / f"bin-{seat.kind}/journalctl"
    tool.unlink(missing_ok=True)
    tool.write_text(JOURNALCTL)
    tool.chmod(0o755)
    entries = seat.folder / "entries"
    entries.write_text("message 0\n")
    async with following(seat, Log(host="old", unit="postfix.service")):
        for number in range(1, 6):
            await seat.told.until(lambda number=number: any(f"message {number - 1}" in line for line in seat.lines()))  # type: ignore[misc]
            if number % 2:
                seat.pool.drop()
            with entries.open("a") as file:
                file.write(f"message {number}\n")
        await seat.told.until(lambda: any("message 5" in line for line in seat.lines()))
    assert [line.partition("smtpd[7]: ")[2] for line in seat.lines()] == [f"message {number}" for number in range(6)]
    assert {event.file for event in seat.told.of(LogSeen)} == {"postfix.service"}
