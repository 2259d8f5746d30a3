"""The beat of health probes: each on its own grid, one question out at a time, and no room without an end."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cockpit.events import HealthSeen, Trouble
from cockpit.plan.watched import Expect
from cockpit.probes import health
from cockpit.probes.pace import TICK, Pace, Room, room_here
from tests.probes.beating import plan_of, running, tcp
from tests.probes.wild import hearing, wild


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.floats(0.5, 60), st.floats(0, 0.5), st.lists(st.floats(0, 3), min_size=1, max_size=60), st.integers(0, 1 << 30)
)
def test_questions_keep_to_their_grid_whatever_answers_take(
    every: float, jitter: float, took: list[float], seed: int
) -> None:
    """`took` are how long the answers take, in intervals."""
    begins = random.Random(seed).uniform(0.5, 1.0)
    chance = random.Random(seed)
    pace, now, slots = Pace(every, jitter, 0.0, chance.uniform), 0.0, []
    for share in took:
        now += share * every
        wait = pace.wait(now)
        assert wait >= 0
        now += wait
        slot = now / every - begins
        slots.append(round(slot - TICK / every / 2))
        assert abs(slot - slots[-1]) <= jitter + TICK / every + 1e-6
    if jitter < 0.4:
        assert slots == sorted(set(slots)), "no slot is asked twice"
        assert len(slots) + pace.missed == slots[-1] + 1, "each slot was asked or counted"


def test_what_fell_due_while_an_answer_was_out_is_left_out_and_counted() -> None:
    pace = Pace(10.0, 0.0, 0.0, lambda low, high: high)
    assert pace.wait(0.0) == pytest.approx(10.0, abs=TICK)
    assert pace.wait(11.0) == pytest.approx(9.0, abs=TICK)
    assert pace.missed == 0
    assert pace.wait(55.0) == pytest.approx(5.0, abs=TICK)
    assert pace.missed == 3


def test_a_full_room_leaves_questions_out_and_counts_them() -> None:
    room = Room(2)
    assert [room.enter() for _ in range(4)] == [True, True, False, False]
    assert room.dropped == 2
    room.leave()
    assert room.enter()
    assert room_here() >= 64


async def test_a_slow_answer_delays_no_other_probe_s_question() -> None:
    async with wild(hearing(b"")) as silent, wild(hearing(b"220 ready\r\n")) as quick:
        wants = Expect(status=0, body="ready")
        slow = [tcp(silent, id=f"slow{n}", expect=wants, timeout=30.0) for n in range(60)]
        async with running(plan_of(*slow, tcp(quick, expect=wants))) as told:
            await told.until(lambda: len(told.of("port")) >= 8, 6)
            assert not [e for e in told.events if isinstance(e, HealthSeen) and e.probe != "port"]


async def test_questions_that_find_no_room_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "room_here", lambda: 3)
    monkeypatch.setattr(health, "AGAIN", 0.2)
    async with wild(hearing(b"")) as silent:
        slow = [tcp(silent, id=f"s{n}", expect=Expect(status=0, body="x"), timeout=30.0) for n in range(5)]
        async with running(plan_of(*slow)) as told:
            await told.until(lambda: any(isinstance(event, Trouble) for event in told.events))
    [trouble, *more] = [event for event in told.events if isinstance(event, Trouble)]
    assert "health questions were left out: 3 were waiting" in trouble.message
    assert not more


async def test_a_probe_has_one_question_out_at_a_time() -> None:
    open_now = most = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.35)
        writer.write(b"hi\n")
        await writer.drain()
        open_now -= 1

    async with wild(counting) as port, running(plan_of(tcp(port, expect=Expect(status=0, body="hi")))) as told:
        await told.until(lambda: len(told.of("port")) >= 3)
    assert most == 1
    assert int(told.of("port")[-1].facts["missed"]) >= 3
