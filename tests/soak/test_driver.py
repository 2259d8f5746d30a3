"""CI's sample of `python -m tests.soak driver`: the same code, one moment."""

from __future__ import annotations

from tests.soak.driver import moments


async def test_a_run_whose_driver_is_killed_is_claimed_by_the_watcher_and_ends_as_it_would_have() -> None:
    assert await moments("osf", 1, 6, print) == []
