"""Moments as people write them, and the sentence for what is none."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cockpit.replay.course import Course
from cockpit.replay.timeline import Timeline, timeline
from cockpit.replay.times import FORMS, ClockStyle, Frame, NoMoment, span, t_clock, target, told
from tests.replay.made import START, evening

EVENING = timeline(evening())
STEPS = frozenset({"s0/copy", "s0/freeze", "s0/sync", "s0/switch", "s0/check"})


def frame(zero: float = START, now: float = START, style: str = "utc") -> Frame:
    return Frame(zero=zero, now=now, style=style, steps=STEPS)  # type: ignore[arg-type]


def where(text: str, given: Frame | None = None, over: Timeline = EVENING) -> float:
    """Seconds after the start that a text leads to."""
    course = Course()
    course.follow(over)
    found = target(text, over, given or frame(), course)
    return round(over.utc[found.place - 1] + found.after - over.utc[0], 3)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("31s", 31), ("1h30m", 5400), ("20m50s", 1250), ("20m 50s", 1250), ("0.5m", 30), ("+10s", 10),
        ("T+20m50s", 1250), ("t", 0), ("T+0s", 0), ("23:50:31", 31), ("00:10:40", 1240), ("00:10", 1200),
        ("2026-11-22T00:10:50", 1250), ("2026-11-22T01:10:50+01:00", 1250), ("#4", 40), ("4", 40), ("s0/freeze", 1240),
        ("S0/Switch", 1255), ("0%", 0), ("100%", 5400), ("start", 0), ("end", 5400),
    ],
)  # fmt: skip
def test_a_moment_is_found_as_it_is_written(text: str, at: float) -> None:
    assert where(text) == at


def test_minus_t_counts_to_the_planned_start_and_minus_alone_from_here() -> None:
    assert where("T-5m", frame(zero=START + 1540)) == 1240
    assert where("-10s", frame(now=START + 1252)) == 1242


def test_a_percentage_is_one_of_the_time_that_is_shown_with_idle_time_cut() -> None:
    course = Course()
    course.follow(EVENING)
    whole = course.length
    assert whole < 60
    assert where("50%") != pytest.approx(2700, abs=100)
    full = Course(math.inf)
    full.follow(EVENING)
    assert full.length == 5400


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", FORMS), ("soon", FORMS), ("1h30", FORMS), ("1.5.2", FORMS), ("٣s", FORMS), ("--5m", FORMS), ("T-", FORMS),
        ("#99", "there is no event 99: the recording ends with event 15"),
        ("140%", "0% is its beginning, 100% its end"), ("-3%", "outside of the recording"), ("x%", FORMS),
        ("s0/dns", "the plan has no step s0/dns: a step is SERVICE/STEP"),
        ("s0/sync", "s0/sync did not begin in this recording"),
        ("T-5m", "before the beginning of the recording, which goes from 23:50:00 UTC to 01:20:00 UTC, T+0:00:00 to T+1:30:00"),
        ("2h", "after the end of the recording"), ("22:41:07", "before the beginning"), ("25:00", "is no time of day"),
        ("2026-13-41T10", FORMS),
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_a_sentence(text: str, why: str) -> None:
    with pytest.raises(NoMoment) as refused:
        where(text)
    assert why in str(refused.value)


def test_an_empty_recording_has_no_moment() -> None:
    with pytest.raises(NoMoment, match="holds no event"):
        where("10s", over=timeline([]))


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_a_time_of_day_is_one_of_the_clock_that_is_shown() -> None:
    local = frame(style="local")
    assert told(START, "local", START) == "00:50:00 CET"
    assert where("01:10:40", local) == 1240
    assert where("00:10:40z", local) == 1240
    assert told(START, "utc", START) == "23:50:00 UTC"
    assert told(START + 3723, "t", START) == "T+1:02:03"


def test_a_time_of_day_that_comes_twice_is_the_one_nearest_to_here() -> None:
    first, *rest = evening()
    from msgspec.structs import replace

    later = [replace(record, utc=record.utc + 86400, seq=record.seq) for record in rest]
    over = timeline([first, *later])
    assert where("23:50:31", frame(now=START + 86400), over) == 86431


TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("0123456789-+:.,TtZz dhms%#", max_size=60),
    st.datetimes().map(datetime.isoformat),
)


@example(text="0001-01-01T00:00", style="local")
@example(text="9999-12-31T23:59:59-23:59", style="utc")
@example(text="#" + "9" * 5000, style="utc")
@given(TEXTS, st.sampled_from(get_args(ClockStyle)))
def test_any_text_is_a_moment_or_a_sentence(text: str, style: str) -> None:
    try:
        found = where(text, frame(style=style))
    except NoMoment as error:
        found = len(str(error))
    assert 0 <= found <= 5401


@given(st.integers(0, 10), st.integers(0, 59), st.integers(0, 59))
def test_a_span_counts_its_parts(hours: int, minutes: int, seconds: int) -> None:
    assert span(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


def test_before_t_the_clock_counts_down() -> None:
    assert [t_clock(at) for at in (-300, -0.5, 0, 59.9, 3600)] == [
        "T-0:05:00",
        "T-0:00:01",
        "T+0:00:00",
        "T+0:00:59",
        "T+1:00:00",
    ]
