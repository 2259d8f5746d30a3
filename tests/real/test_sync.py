"""Syncs between real hosts: everything that a file system can hold, by every transport, over drops, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.rig import RealHost, Rig, needs_rig
from tests.real.syncing import step, syncing
from tests.real.trees import blocks, everything, look

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
        assert list(host.file("root/.cockpit/once").iterdir()) == []
