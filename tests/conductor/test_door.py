"""The door for other accounts: who is let to it by the file system, who is turned away all the same, and what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pwd
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from cockpit import accounts
from cockpit import intents as it
from cockpit.conductor import acl, door, roster, server, wire
from cockpit.conductor.client import LiveSource
from cockpit.conductor.visit import Visit
from cockpit.events import AccessGiven, AccessTaken, DoorChanged, Who
from cockpit.preflight.people import second_rows
from tests.conductor.seats import Run, conducted, screen
from tests.engine.world import small_plan

NOBODY = pwd.getpwnam("nobody").pw_uid


def bound(folder: Path) -> tuple[Path, Path]:
    """A private folder with a socket in it."""
    place = folder / "door"
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place / "s"))
    (place / "s").chmod(0o600)
    return place, place / "s"


def refuse(path: Path, own: int, uids: list[int], may: int) -> None:
    """A file system without access lists."""
    raise OSError(errno.ENOTSUP, "Operation not supported")


@pytest.mark.skipif(shutil.which("getfacl") is None, reason="getfacl missing: sudo apt-get install -y acl")
def test_the_access_list_is_what_getfacl_reads(tmp_path: Path) -> None:
    folder, door = bound(tmp_path)
    assert acl.let_in(folder, door, {"nobody": NOBODY}) == f"an access list on {folder} names nobody"

    def read(path: Path) -> set[str]:
        said = subprocess.run(["getfacl", "-cpn", str(path)], capture_output=True, text=True, check=True).stdout
        return {line for line in said.splitlines() if line}

    assert read(folder) == {"user::rwx", f"user:{NOBODY}:r-x", "group::---", "mask::r-x", "other::---"}
    assert read(door) == {"user::rw-", f"user:{NOBODY}:rw-", "group::---", "mask::rw-", "other::---"}
    acl.let_in(folder, door, {})
    assert read(folder) == {"user::rwx", "group::---", "mask::---", "other::---"}


def test_where_the_file_system_keeps_no_lists_a_common_group_is_used_or_nobody_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acl, "_write", refuse)
    folder, door = bound(tmp_path)
    me = pwd.getpwuid(os.getuid()).pw_name
    assert "others in it are turned away" in acl.let_in(folder, door, {me: os.getuid()})
    assert (folder.stat().st_mode & 0o777, door.stat().st_mode & 0o777) == (0o750, 0o660)
    monkeypatch.setattr(acl, "common_group_aside", lambda names: None)
    with pytest.raises(acl.NoWayIn, match="you share no group with nobody"):
        acl.let_in(folder, door, {"nobody": NOBODY})


def test_the_accounts_are_not_listed_by_the_process_that_conducts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread would not do: Python lists accounts and groups with all its threads stopped."""
    monkeypatch.setattr(acl, "_write", refuse)
    for module, name in ((pwd, "getpwall"), (os, "getgrouplist")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("listed here"))
    folder, door = bound(tmp_path)
    me = pwd.getpwuid(os.getuid()).pw_name
    assert "is open to the group" in acl.let_in(folder, door, {me: os.getuid()})
    with pytest.raises(acl.NoWayIn, match="you share no group with no-such-one"):
        acl.let_in(folder, door, {"no-such-one": 4_000_000_001})
    monkeypatch.setattr(accounts, "PATIENCE", 0.001)
    with pytest.raises(
        TimeoutError, match=f"could not be listed within 0.001 s to find a group that you share with {me}"
    ):
        acl.let_in(folder, door, {me: os.getuid()})


async def test_the_run_goes_on_while_accounts_are_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_DOORS", str(tmp_path))
    going, over = threading.Event(), threading.Event()

    def slow(folder: Path, socket: Path, names: dict[str, int]) -> str:
        going.set()
        assert over.wait(20), "the loop has gone on meanwhile"
        return acl.let_in(folder, socket, names)

    monkeypatch.setattr(door, "let_in", slow)
    async with conducted(tmp_path) as run, screen(run, "ann") as ann:
        given = asyncio.create_task(
            run.server._door.ask(it.GiveAccess(account="nobody"), Who(name="ann", account="ann"), True)
        )
        async with asyncio.timeout(10):
            while not going.is_set():
                await asyncio.sleep(0.01)
        assert await ann.source.send(it.Pause()) is None
        assert not given.done()
        over.set()
        assert await given == ""
        assert run.ledger.state.door


async def visited(path: Path) -> str:
    """Why a visitor was turned away; '' for one who was let in."""
    visit = Visit(LiveSource(path, "x", wait=1.0))
    following = asyncio.create_task(visit.follow())
    await visit.until(lambda state: state.plan is not None, 5.0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return visit.over


async def test_the_door_opens_with_the_first_and_closes_with_the_last_and_the_kernel_s_word_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_DOORS", str(tmp_path))
    async with conducted(tmp_path) as run, screen(run, "ann") as ann:
        assert "no account no-such" in (await ann.source.send(it.GiveAccess(account="no-such-one")) or "")
        me = pwd.getpwuid(os.getuid()).pw_name
        assert "has access already" in (await ann.source.send(it.GiveAccess(account=me)) or "")
        assert list(tmp_path.glob("cockpit-door-*")) == []
        assert await ann.source.send(it.GiveAccess(account="nobody", may="watch")) is None
        await ann.until(lambda: ann.state.door)
        door = Path(ann.state.door)
        # The owner can reach the socket, and is still not on the list.
        assert "has no access to this run" in await visited(door)
        assert await ann.source.send(it.TakeAccess(account="eve")) == "eve has no access"
        assert await ann.source.send(it.TakeAccess(account="nobody")) is None
        await ann.until(lambda: not ann.state.door)
        assert list(tmp_path.glob("cockpit-door-*")) == []
        assert [type(r.event) for r in run.events(AccessGiven) + run.events(AccessTaken)] == [AccessGiven, AccessTaken]


async def test_who_says_nothing_counts_at_the_door_and_goes_with_the_access(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = roster.peer_of
    monkeypatch.setattr(server, "peer_of", lambda writer: replace(real(writer), uid=NOBODY, account="nobody"))
    monkeypatch.setenv("COCKPIT_DOORS", str(tmp_path))
    async with conducted(tmp_path) as run:
        who = Who(name="ann", account="ann")
        assert await run.server._door.ask(it.GiveAccess(account="nobody"), who, True) == ""
        path = run.ledger.state.door
        silent = [await asyncio.open_unix_connection(path) for _ in range(door.MOST_VISITS)]
        async with asyncio.timeout(10):
            while len(run.server._door._visits) < door.MOST_VISITS:
                await asyncio.sleep(0.01)
        assert f"{door.MOST_VISITS} connections already" in await visited(Path(path))
        silent.pop()[1].close()
        for _ in range(200):
            if not (why := await visited(Path(path))):
                break
            assert "connections already" in why, "one of them goes a moment later"
            await asyncio.sleep(0.01)
        assert why == "", "one may come where one went"
        hello = wire.encode(wire.Hello(name="eve", after=0))
        assert await run.server._door.ask(it.TakeAccess(account="nobody"), who, True) == ""
        for reader, writer in silent:
            with contextlib.suppress(ConnectionError):
                writer.write(hello)
                assert await reader.read() == b"", "nothing of the run is told"
            writer.close()
        # Whoever had looked in before goes by and by.
        async with asyncio.timeout(10):
            while run.server.clients:
                await asyncio.sleep(0.01)


async def test_no_more_connections_are_served_than_there_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CLIENTS", 2)
    async with conducted(tmp_path) as run, screen(run, "ann") as ann:
        await ann.until(lambda: run.server.clients == 1)
        _, silent = await asyncio.open_unix_connection(str(run.socket))
        async with asyncio.timeout(10):
            while run.server._connections < 2:
                await asyncio.sleep(0.01)
        assert "too many screens" in await visited(run.socket)
        silent.close()
        assert await ann.source.send(it.Pause()) is None


async def test_a_resumed_run_opens_its_door_again_and_takes_the_old_one_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_DOORS", str(tmp_path))
    old, left = bound(tmp_path)
    stale = old.rename(tmp_path / "cockpit-door-stale") / left.name

    async def before(run: Run) -> None:
        await run.ledger.write(AccessGiven(account="nobody", uid=NOBODY), "ann")
        await run.ledger.write(DoorChanged(path=str(stale), how="left"), "conductor")

    async with conducted(tmp_path, before=before) as run, screen(run, "ann") as ann:
        await ann.until(lambda: ann.state.door not in {"", str(stale)})
        assert not stale.parent.exists()
        assert Path(ann.state.door).exists()
    assert list(tmp_path.glob("cockpit-door-*")) == [], "a conductor that ends leaves no door"


def test_preflight_says_whether_the_second_person_of_a_gate_has_an_account_here() -> None:
    plan, me = small_plan(), pwd.getpwuid(os.getuid()).pw_name

    def seen(*names: str) -> list[tuple[str, str]]:
        gate = replace(plan.gates[0], second=True, second_by=names)
        return [(row.grade, row.found) for row in second_rows(replace(plan, gates=(gate,)))]

    assert second_rows(plan) == []
    assert seen() == [("ok", "anyone who is given access to confirm")]
    assert seen("nobody") == [("ok", "nobody")]
    assert seen("nobody", "no-such-one") == [("warn", "nobody; no-such-one has no account here")]
    assert seen(me) == [("fail", f"{me}: no other account of this machine")]
