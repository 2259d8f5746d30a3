"""The horizon in many random schedules, on real name servers and resolvers. Needs root."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.real.horizon import run_batches
from tests.real.rig import rigged
from tests.real.world import lacking


def run(count: int, seed: int = 0) -> int:
    """0 when the horizon was never early and never late, and the stale resolver always known as such."""
    why = lacking()
    if why:
        print(why)
        return 2
    seed = seed or int(time.time())
    with tempfile.TemporaryDirectory() as folder, rigged(Path(folder)) as rig:
        verdicts = run_batches(rig, count, seed, lambda line: print(line, flush=True))
    lates = sorted(verdict.late for verdict in verdicts)
    resolvers = sorted(verdict.resolver for verdict in verdicts)
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    print(
        f"{len(verdicts)} schedules (seed {seed}): horizon after the last old answer of the fleet by {lates[0]:.3f} to {lates[-1]:.3f} s, "
        f"(this process was held up for {max(v.held_up for v in verdicts):.3f} s at the most), "
        f"of the honest Unbound by {resolvers[0]:.3f} s at the least; stale flagged in {sum(v.stale_flagged for v in verdicts)}, "
        f"counted as moved in {sum(v.stale_moved > 0 for v in verdicts)}; clamped flagged in {sum(v.clamped_flagged for v in verdicts)}; "
        f"{len(wrong)} wrong"
    )
    return 1 if wrong else 0
