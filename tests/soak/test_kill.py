"""CI's sample of `python -m tests.soak kill`: the same code, a few positions."""

from __future__ import annotations

import pytest

from tests.soak.kill import positions, sample


# Seed 1 picks a position on the way there, seed 9 one on the way back.
@pytest.mark.parametrize(("clients", "seed"), [("osf", 1), ("harbor", 9)])
async def test_a_conductor_killed_on_the_way_there_or_back_resumes_to_the_same_end(clients: str, seed: int) -> None:
    assert await positions(clients, sample(1, seed), "both", 1, print) == []


async def test_killed_anywhere_in_the_cutover_of_several_it_resumes_to_the_same_end() -> None:
    assert await positions("osf,harbor", sample(1, seed=11), "there", 1, print) == []
