"""CI's sample of `python -m tests.soak tails`: the same code, shorter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.rig import Rig, needs_rig
from tests.soak.tails import HOSTS, Load, night

pytestmark = needs_rig


@pytest.mark.parametrize("name", HOSTS)
async def test_every_line_is_told_once_and_in_order_over_rotations_and_reconnects(
    desk: Rig, name: str, tmp_path: Path
) -> None:
    host = desk.host(f"tails{list(HOSTS).index(name)}", **HOSTS[name])
    load = Load(logs=4, rate=1000, rotations=12, drops=3, seconds=4)
    assert await night(host, load, 1, tmp_path / "run") == []
