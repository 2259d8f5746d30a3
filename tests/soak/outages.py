"""Outages of 0.1 to 10 seconds of real servers, closed, reset, refusing, frozen and in one address family, and what was said of
each: the truth has to be inside the bounds every time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.real.outages import Measured, measured, measuring, servers

LENGTHS = (0.1, 0.5, 2.0, 10.0)


async def _rounds(folder: Path, rounds: int) -> list[Measured]:
    found: list[Measured] = []
    with servers(folder) as made:
        async with measuring(made) as at_work:
            for number in range(rounds):
                for seconds in LENGTHS:
                    some = await measured(at_work, made, seconds)
                    print(
                        *(f"{number + 1:2} {one}{'  WRONG' if one.wrong else ''}" for one in some), sep="\n", flush=True
                    )
                    found += some
            print(*at_work.troubles, sep="\n")
    return found


def run(rounds: int = 3) -> int:
    """0 when the truth was inside the bounds every time, and they were no further apart than they may be."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_rounds(Path(folder), rounds))
    wrong = [one for one in found if one.wrong]
    for fault in dict.fromkeys(one.fault for one in found):
        apart = sorted(one.upper - one.lower for one in found if one.fault == fault)
        print(
            f"{fault:7} {len(apart)} times, bounds apart {apart[len(apart) // 2]:.3f} s in the median, {apart[-1]:.3f} s at most"
        )
    print(f"{len(found) - len(wrong)} of {len(found)} right")
    return bool(wrong)
