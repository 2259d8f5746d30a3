"""The horizon on real name servers; `python -m tests.soak horizon` does many more."""

from __future__ import annotations

from tests.real.horizon import run_batches
from tests.real.rig import Rig
from tests.real.world import needs_world

pytestmark = needs_world


def test_the_horizon_is_never_before_the_last_old_answer_of_an_honest_cache_and_at_most_two_seconds_after(
    rig: Rig,
) -> None:
    said: list[str] = []
    verdicts = run_batches(rig, 5, 7, said.append)
    assert not [verdict.wrong for verdict in verdicts if verdict.wrong], "\n".join(said)
    assert all(verdict.fetches > 100 for verdict in verdicts)
    assert all(verdict.stale_flagged for verdict in verdicts)
    assert any(verdict.clamped_flagged for verdict in verdicts)
