"""Syncs between real hosts: everything that a file system can hold, by every transport, over drops, there and back."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest

from cockpit.events import Record, StepLimited, StepProgress
from tests.hosts.told import call_of
from tests.real.rig import RealHost, Rig, needs_rig
from tests.real.syncing import agent, cancelled, step, syncing
from tests.real.trees import blocks, everything, look
from tests.soak.sync import copied

pytestmark = needs_rig


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    made = rig.host("old")
    everything(made.root / "srv/tree")
    return made


@pytest.fixture(scope="module")
def new(rig: Rig) -> RealHost:
    return rig.host("new")


@pytest.fixture(autouse=True)
def fresh(new: RealHost) -> None:
    new.run("rm -rf /srv/* /root/.cockpit")


def differences(one: dict[bytes, tuple[object, ...]], two: dict[bytes, tuple[object, ...]]) -> dict[bytes, object]:
    return {name: (one.get(name), two.get(name)) for name in one.keys() | two.keys() if one.get(name) != two.get(name)}


@pytest.mark.parametrize("via", ["auto", "relay"])
async def test_a_tree_with_everything_arrives_identical_and_the_undo_takes_all_of_it_away(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path, via: str
) -> None:
    keys = old.file("root/.ssh/authorized_keys").read_bytes()
    async with syncing(tmp_path / "raw", old, new) as at:
        captured = await at.copied(step(via=via))
        assert differences(look(old.root / "srv/tree"), look(new.root / "srv/tree")) == {}
        assert blocks(new.root / "srv/tree", "sparse") < 1 << 20
        picked = "key" if via == "auto" else via
        assert any(f"by {picked}: " in line and "protocol 32" in line for line in at.said()), at.said()
        assert (await at.act(step(via=via), "probe")).verdict == "ok"
        assert (await at.act(step(via=via), "undo", captured)).verdict == "ok"
        assert (await at.act(step(via=via), "verify_undo", captured)).verdict == "ok"
    assert not new.file("srv/tree").exists()
    assert old.file("root/.ssh/authorized_keys").read_bytes() == keys
    for host in (old, new):
        assert list(host.file("root/.cockpit").glob("once/*")) == []


async def test_a_copy_outlives_the_conductor_and_its_key_is_gone_when_it_is_over(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    async with syncing(tmp_path / "raw", old, new) as at:
        planned = step(via="key", bwlimit=20_000_000)
        captured = (await at.act(planned, "capture")).captured
        acting = asyncio.create_task(at.act(planned, "apply", captured))
        await at.told.until(lambda: at.told.of(StepProgress))
        await cancelled(acting)
        assert "cockpit-once" in old.file("root/.ssh/authorized_keys").read_text()
        later = at.reborn()
        found = await later.hands.recall(call_of(planned, "apply", captured, "run.osf.copy.1"), later.told)
        assert found.verdict == "ok", found
        assert (await later.act(planned, "verify", captured)).verdict == "ok"
    assert differences(look(old.root / "srv/tree"), look(new.root / "srv/tree")) == {}
    assert "cockpit-once" not in old.file("root/.ssh/authorized_keys").read_text()
    assert list(new.file("root/.cockpit/once").iterdir()) == []


@pytest.mark.parametrize("via", ["key", "relay"])
async def test_a_limit_holds_and_can_be_lifted_while_the_copy_runs(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path, via: str
) -> None:
    async with syncing(tmp_path / "raw", old, new) as at:
        planned = step(via=via, bwlimit=200_000)
        captured = (await at.act(planned, "capture")).captured
        acting = asyncio.create_task(at.act(planned, "apply", captured))
        # At this rate the three megabytes take a quarter of a minute.
        await at.told.until(
            lambda: at.told.of(StepProgress) and "limit 200.0 kB/s" in at.told.of(StepProgress)[-1].detail
        )
        assert not acting.done()
        record = Record(seq=1, utc=0.0, mono=0.0, actor="Ann", event=StepLimited(ref=planned.ref, rate=0))
        at.hands.observe(record)
        async with asyncio.timeout(8):
            done = await acting
        assert done.verdict == "ok", done
        assert (await at.act(planned, "verify", captured)).verdict == "ok"
    assert differences(look(old.root / "srv/tree"), look(new.root / "srv/tree")) == {}


@pytest.mark.parametrize("via", ["key", "relay"])
async def test_a_copy_ends_at_its_time_out_and_goes_on_when_it_is_run_again(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path, via: str
) -> None:
    async with syncing(tmp_path / "raw", old, new) as at:
        slow = msgspec.structs.replace(step(via=via, bwlimit=200_000), timeout=2.0)
        captured = (await at.act(slow, "capture")).captured
        done = await at.act(slow, "apply", captured)
        assert (done.verdict, "its time-out of 2 s is over; run it again" in done.detail) == ("failed", True), done
        await asyncio.sleep(0.5)
        assert new.run("pgrep -x rsync; :") == old.run("pgrep -x rsync; :") == ""
        assert "cockpit-once" not in old.file("root/.ssh/authorized_keys").read_text()
        # The limit of a step stays until somebody changes it.
        later = at.reborn()
        for op in ("apply", "verify"):
            done = await later.act(step(via=via), op, captured, "run.osf.copy.2")  # type: ignore[arg-type]
            assert done.verdict == "ok", (op, done)
    assert differences(look(old.root / "srv/tree"), look(new.root / "srv/tree")) == {}


async def test_a_forwarded_agent_is_there_for_the_handshake_only(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(desk) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        async with syncing(tmp_path / "raw", old, new) as at:
            await at.copied(step(via="agent"))
            assert any("by agent: the plan says so" in line for line in at.said())
    assert differences(look(old.root / "srv/tree"), look(new.root / "srv/tree")) == {}
    assert list(new.file("root/.cockpit/once").iterdir()) == []


@pytest.mark.parametrize("kind", ["gnu", "busybox"])
async def test_without_rsync_a_tar_stream_carries_what_tar_can_and_says_what_it_leaves_out(
    desk: Rig, new: RealHost, tmp_path: Path, kind: str
) -> None:
    bare = desk.host(
        f"bare-{kind}", without=("rsync",), tools=kind, server="dropbear" if kind == "busybox" else "openssh"
    )
    top = bare.root / "srv/tree"
    everything(top)
    (top / "socket").unlink()
    if kind == "busybox":
        # What its tar cannot write: numbers over seven octal digits, and times before 1970.
        bare.run("cd /srv/tree; chown -h 12345:54321 deep/er; touch -d @1 one")
    os.utime(top / "deep", ns=(10**18, 10**18))
    os.utime(top, ns=(10**18, 10**18))
    async with syncing(tmp_path / "raw", bare, new) as at:
        await at.copied(step())
        left = [line for line in at.said() if "a tar stream does not carry sockets" in line]
        assert left
        assert ("extended attributes" in left[0], "fractions" in left[0]) == (
            (True, True) if kind == "busybox" else (False, False)
        )
        if kind == "gnu":
            new.run("setfattr -x user.note /srv/tree/plain")
            differs = await at.act(step(), "verify")
            assert (differs.verdict, "./plain" in differs.detail) == ("no", True), differs
            await at.copied(step(), "run.osf.again.1")
            new.run("cd /srv/tree; rm link; ln -s plain link; chown -h 12345:54321 link; touch -d @1000000000 .")
            differs = await at.act(step(), "verify")
            assert (differs.verdict, "./link" in differs.detail) == ("no", True), "one link in place of two names of it"
            await at.copied(step(), "run.osf.third.1")

    def seen(host: RealHost) -> dict[bytes, tuple[object, ...]]:
        found = look(host.root / "srv/tree")
        if kind == "gnu":
            return found
        # Fractions of a second, times of links and attributes are told to be left out.
        return {
            name: (*it[:4], it[4] // 10**9 if it[0] != stat.S_IFLNK else 0, *it[5:7])  # type: ignore[operator]
            for name, it in found.items()
        }

    assert differences(seen(bare), seen(new)) == {}


async def test_where_the_hosts_cannot_see_each_other_the_cockpit_relays_and_says_why(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    new.run(f"ip route add blackhole {old.address}/32")
    try:
        async with syncing(tmp_path / "raw", old, new) as at:
            refused = await at.act(step(via="key"), "probe")
            assert (refused.verdict, "new cannot copy from old by key" in refused.detail) == ("failed", True)
            assert (await at.act(step(), "probe")).verdict == "no"
            assert any("by relay: new cannot reach old by a one-time key" in line for line in at.said())
    finally:
        new.run(f"ip route del blackhole {old.address}/32")
    assert "cockpit-once" not in old.file("root/.ssh/authorized_keys").read_text()


async def test_deletion_needs_a_verified_first_copy_and_never_follows_an_empty_source(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    old.run("mkdir -p /srv/site && cd /srv/site && seq 60 | xargs touch && mkdir sub && echo x >sub/x")
    site = {"paths": ("/srv/site",), "via": "key"}
    deleting = step(**site, delete=True)  # type: ignore[arg-type]
    async with syncing(tmp_path / "raw", old, new) as at:
        await at.copied(step(**site, marks=True), "run.osf.first.1")  # type: ignore[arg-type]
        old.run("cd /srv/site && rm 7 'sub/x' && echo more >8")
        before = look(new.root / "srv/site")
        captured = await at.copied(deleting, "run.osf.second.1")
        assert {name for name in before if name not in look(new.root / "srv/site")} == {b"/7", b"/sub/x"}
        for op in ("undo", "verify_undo"):
            done = await at.act(deleting, op, captured, "run.osf.second.1")  # type: ignore[arg-type]
            assert done.verdict == "ok", done
        assert differences(before, look(new.root / "srv/site")) == {}
        old.run("cd /srv/site && rm -rf [0-9]* sub")
        for op in ("capture", "apply"):
            done = await at.act(deleting, op, {}, "run.osf.third.1")  # type: ignore[arg-type]
            assert (done.verdict, "/srv/site on old is empty" in done.detail) == ("failed", True), done
        swapped = step(**site, delete=True, source="new", target="old", limit="100%")  # type: ignore[arg-type]
        done = await at.act(swapped, "apply", {}, "run.osf.fourth.1")
        assert (done.verdict, "from and to look swapped" in done.detail) == ("failed", True), done
    assert differences(before, look(new.root / "srv/site")) == {}


async def test_killed_again_and_again_it_arrives_all_the_same(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    assert await copied(tmp_path / "raw", old, new, "key", 6, 0.4, print, 10_000_000) == []
