"""The transport bar as a drawing: what stands where, at which width, without any colour."""

from __future__ import annotations

import math

from rich.cells import cell_len

from cockpit import events as ev
from cockpit.reduce import fold
from cockpit.replay.recording import Recording
from cockpit.replay.search import Search
from cockpit.replay.transport import Reading, Transport
from cockpit.state import RunState
from cockpit.ui.paint import Line
from cockpit.ui.scrubber import SIGNS, Scrubber, cells, course, lasting, phases
from tests.engine.world import small_plan
from tests.replay.made import START, evening, moved, recording


def transport(records: list[ev.Record], idle: float = 3.0) -> Transport:
    tape = Recording.of(records)
    found = Transport(tape, lambda text: Search(text).in_records(tape.records, len(records)), playing=False, idle=idle)
    found.learn(small_plan(1), START)
    return found


def drawn(line: Line) -> str:
    return "".join(text for text, _ in line)


def test_the_course_shows_failures_outages_notes_cuts_and_the_place() -> None:
    moving = transport(evening())
    moving.go("s0/copy")
    moving.advance()
    tape = moving.reading.tape
    line = drawn(course(cells(tape, 40), moving.reading.share))
    assert line == "━●────╎───✎────╎──✗────╎▂▂▂▂▂▂▂▂▂▲─────┤"
    assert cell_len(line) == 40


def test_what_is_looked_for_stands_on_the_course() -> None:
    moving = transport(evening())
    moving.look_for("noqueue")
    assert moving.search is not None
    moving.search.wait()
    assert "*" in drawn(course(cells(moving.reading.tape, 60), 0.0))
    assert moving.reading.found == "1 hit"


def test_phases_stand_where_their_first_step_began_each_as_long_as_there_is_room() -> None:
    records = recording(
        (0, moved("s0/copy", "running")), (2, moved("s0/copy", "done")), (2, moved("s0/freeze", "running")),
        (2.2, moved("s0/freeze", "done")), (2.4, moved("s0/sync", "running")), (4, moved("s0/sync", "done")),
    )  # fmt: skip
    tape = transport(records).reading.tape
    plan = small_plan(1)
    names = [plan.step(ref).phase for ref in ("s0/copy", "s0/freeze", "s0/sync")]
    row = drawn(phases(tape, 40))
    assert row == f"{'│' + names[0]:<20}{('│' + names[1])[:4]:<4}{'│' + names[2]:<16}"


def test_a_line_at_80_columns_and_two_at_120_always_as_wide_as_the_terminal() -> None:
    moving = transport(evening())
    moving.go("s0/freeze")
    for width in range(40, 200, 7):
        lines = Scrubber().lines(moving.reading, width)
        assert len(lines) == (2 if width >= 120 else 1)
        assert {cell_len(drawn(line)) for line in lines} == {width}
        assert "●" in drawn(lines[0])
    wide = Scrubber().lines(moving.reading, 140)
    assert "00:10:40 UTC" in drawn(wide[0])
    assert "s0: freeze" in drawn(wide[1])


def test_a_pause_is_shown_as_cut_and_in_full_on_demand() -> None:
    moving = transport(evening())
    moving.go("#4")
    assert "cut 20 min" in drawn(Scrubber().lines(moving.reading, 100)[0])
    before = moving.reading.share
    moving.press("I")
    moving.advance()
    reading = moving.reading
    assert reading.share < before
    assert "idle in full" in drawn(Scrubber().lines(reading, 140)[0])
    assert not reading.cut
    assert transport(evening(), idle=math.inf).reading.whole
    assert [lasting(seconds) for seconds in (4, 89, 90, 1200, 7500)] == ["4 s", "89 s", "2 min", "20 min", "2 h 05 min"]


def test_the_clock_turns_from_utc_to_local_to_t() -> None:
    moving = transport(evening())
    moving.go("T+31s")
    clocks = []
    for _ in range(4):
        clocks.append(moving.reading.clock)
        moving.press("Z")
    assert clocks[0] == clocks[3] == "23:50:31 UTC"
    assert clocks[2] == "T+0:00:31"


def test_every_sign_is_another_one_and_takes_one_cell() -> None:
    signs = [sign for sign, _, _ in SIGNS.values()]
    assert len(set(signs)) == len(signs)
    assert all(cell_len(sign) == 1 for sign in signs)


def test_an_empty_recording_has_a_bar() -> None:
    reading: Reading = transport([]).reading
    assert reading.total == 0
    assert len(Scrubber().lines(reading, 80)) == 1
    assert fold([]) == RunState()
