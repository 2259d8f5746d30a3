"""Races for a record set on a real BIND, with answers lost over UDP and TCP."""

from __future__ import annotations

from pathlib import Path

from tests.real.named import needs_named
from tests.soak.dns_race import rounds

pytestmark = needs_named


async def test_exactly_one_of_racing_writers_wins_and_its_way_back_leaves_no_trace(tmp_path: Path) -> None:
    met = await rounds(8, tmp_path / "named", seed=11)
    assert met["rounds"] == 8
    assert met["lost over tcp"] + met["lost over udp"] > 4
    assert met["after a lost answer"] > 0
    assert not met["unknown"]
