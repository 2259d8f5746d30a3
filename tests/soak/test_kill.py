"""CI's sample of `python -m tests.soak kill`: the same code, a few positions."""

from __future__ import annotations

import pytest

from tests.soak.kill import positions, sample


@pytest.mark.parametrize(("clients", "count"), [("osf", 2), ("harbor", 1)])
async def test_a_conductor_killed_on_the_way_there_or_back_resumes_to_the_same_end(
    clients: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await positions(clients, sample(count), "both", 1, print) == []


async def test_killed_anywhere_in_the_cutover_of_several_it_resumes_to_the_same_end() -> None:
    assert await positions("osf,harbor", sample(1, seed=11), "there", 1, print) == []
