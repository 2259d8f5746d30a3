"""Outages of known length of real servers lie inside the bounds that are told. The long ones: `python -m tests.soak outages`."""

from __future__ import annotations

import time
from pathlib import Path

from tests.real.outages import FAULTS, Nginx, Truth, measured, measuring, needs_nginx, outage, servers

pytestmark = needs_nginx


async def test_outages_of_known_length_lie_inside_the_bounds(tmp_path: Path) -> None:
    with servers(tmp_path) as made:
        async with measuring(made) as at_work:
            for seconds in (0.1, 0.5, 2.0):
                for _ in range(3):
                    found = await measured(at_work, made, seconds)
                    print(*found, sep="\n")
                    assert [one.wrong for one in found if one.outside] == []
                    # On a busy machine the prober itself is late, and its bounds are wide by right.
                    if not (wide := [one.wrong for one in found if one.wrong]):
                        break
                assert wide == [], "three times"
                for one in found[: len(FAULTS)]:
                    assert one.upper > 0, f"{one}: nobody saw it"
            seen = at_work.seen
            assert seen["frozen"].stalled > 0
            assert seen["frozen"].failed == 0
            assert min(seen[fault].failed for fault in ("closed", "reset", "503", "family")) > 0
            # All were away at the same times: the night is no sum.
            worst = max(seen[fault].upper for fault in FAULTS)
            assert max(seen[fault].lower for fault in FAULTS) <= seen[""].lower
            assert worst <= seen[""].upper < sum(seen[fault].upper for fault in FAULTS)
            assert at_work.troubles == []


def held_up(server: Nginx) -> Truth:
    """An outage of half a second in the middle of one and a half in which nothing else happens on this thread."""
    time.sleep(0.5)
    truth = outage(server, "closed", 0.5)
    time.sleep(0.5)
    return truth


async def test_an_outage_is_measured_while_the_conductor_is_held_up(tmp_path: Path) -> None:
    with servers(tmp_path) as made:
        async with measuring({"closed": made["closed"]}) as at_work:
            before = at_work.seen["closed"]
            truth = held_up(made["closed"])
            await at_work.settled()
            seen = at_work.seen["closed"]
            assert seen.lower <= truth.most
            assert truth.least <= seen.upper <= truth.most + 0.6 + 0.15 * seen.missed
            assert seen.samples - before.samples > 20
            assert at_work.troubles == []
