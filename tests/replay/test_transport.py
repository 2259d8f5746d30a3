"""How time moves: markers, outages, lives of steps, and a recording that goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cockpit import events as ev
from cockpit.replay.course import Course
from cockpit.replay.markers import Passage, Traits, markers, outages, passage_at, passages
from cockpit.replay.recording import Recording
from cockpit.replay.search import Search
from cockpit.replay.timeline import IDLE, timeline
from cockpit.replay.transport import Transport
from tests.engine.world import small_plan
from tests.replay.made import START, evening, record

EVENING = timeline(evening())
TRAITS = Traits.of(small_plan(1))


def test_markers_are_phases_notes_outages_and_the_end_in_order() -> None:
    found = [(marker.kind, marker.text) for marker in markers(EVENING.moments, TRAITS)]
    kinds = [kind for kind, _ in found]
    assert kinds[0] == "phase"
    assert kinds.count("note") == 1
    assert ("away", "s0 away: read") in found
    assert ("back", "s0 back: read, 4.8–5.3 s in all") in found
    assert found[-1] == ("end", "1 of 1 services are cut over")
    indexes = [marker.index for marker in markers(EVENING.moments, TRAITS)]
    assert indexes == sorted(indexes)


def test_an_outage_lasts_from_the_first_meter_that_runs_to_the_last_one_that_ends() -> None:
    assert outages(EVENING.moments) == ((7, 11),)


def test_a_step_s_lives_are_told_apart_and_the_one_at_hand_is_chosen() -> None:
    found = passages(EVENING.moments, "s0/freeze")
    assert found == (Passage("s0/freeze", 4, 5, "failed"), Passage("s0/freeze", 6, 8, "done"))
    assert passage_at(found, 1) == found[0]
    assert passage_at(found, 6) == found[0]
    assert passage_at(found, 15) == found[1]
    assert passages(EVENING.moments, "s0/sync") == ()


def test_keys_go_from_marker_to_marker_and_stay_where_there_is_none() -> None:
    moving = Transport(Recording.of(evening()), Search, playing=False)
    moving.learn(small_plan(1), START)
    moving.go("start")
    seen = []
    while True:
        before = moving.place
        moving.press("right_parenthesis")
        if moving.place == before:
            break
        seen.append(moving.place - 1)
    assert seen == sorted({marker.index for marker in markers(EVENING.moments, TRAITS)} - {0})
    moving.press("left_parenthesis")
    assert moving.place - 1 == seen[-2]


class Growing:
    """A recording of which more and more is known."""

    notice = condition = ""
    complete = True
    damaged = False

    def __init__(self) -> None:
        self.timeline = timeline(evening()[:5])

    @property
    def total(self) -> int:
        return len(self.timeline)

    def state_after(self, count: int) -> None:
        return None


def test_a_run_that_goes_on_is_followed_paused_and_followed_again() -> None:
    now = [START + 1241.0]
    wall = [0.0]
    tape = Growing()
    moving = Transport(tape, Search, grows=True, wall=lambda: wall[0], utc=lambda: now[0])
    moving.advance()
    assert moving.following
    assert moving.reading.behind == 0
    moving.press("space")
    assert (moving.place, moving.now()) == (5, START + 1241.0)
    tape.timeline = timeline(evening()[:9])
    now[0] += 12
    moving.advance()
    assert moving.place == 5
    assert moving.reading.behind == 12
    moving.press("comma")
    assert moving.place == 4
    moving.press("dollar_sign")
    moving.advance()
    assert moving.following
    assert moving.place == 9


def test_playing_on_from_the_past_of_a_live_run_ends_in_following_it() -> None:
    wall = [0.0]
    moving = Transport(Growing(), Search, grows=True, speed=64, wall=lambda: wall[0], utc=lambda: START + 1241)
    moving.go("start")
    moving.press("space")
    for _ in range(20):
        wall[0] += 0.1
        moving.advance()
    assert moving.following


def test_what_is_paused_before_it_is_known_is_shown_once_it_is() -> None:
    tape = Growing()
    moving = Transport(tape, Search, grows=True, utc=lambda: START + 1251.5)
    moving.shown_live = lambda: 8
    moving.press("space")
    assert moving.waits
    tape.timeline = timeline(evening()[:9])
    moving.advance()
    assert not moving.waits
    assert (moving.place, moving.now()) == (8, START + 1251.5)


@given(st.lists(st.floats(-100, 10_000, allow_nan=False), max_size=60), st.floats(0.1, 100))
def test_idle_time_is_cut_to_what_is_asked_for_and_never_runs_backwards(at: list[float], idle: float) -> None:
    records = [record(seq, when, ev.Noted(text="x")) for seq, when in enumerate(at, 1)]
    line = timeline(records)
    course, whole = Course(idle), timeline(records, idle)
    for known in range(0, len(at) + 1, 7):
        course.follow(timeline(records[:known], IDLE))
    course.follow(line)
    assert list(course.shown) == list(whole.shown)
    assert all(a <= b for a, b in zip(course.shown, course.shown[1:], strict=False))
    gaps = [b - a for a, b in zip(line.utc, line.utc[1:], strict=False)]
    assert [cut.index for cut in course.cuts] == [number for number, gap in enumerate(gaps, 1) if gap > idle]
