"""Two runs beside each other: aligned, with what each step took, and where they part."""

from __future__ import annotations

import pytest

from cockpit.events import Record
from cockpit.reduce import fold
from cockpit.replay.against import CannotAlign, Comparison, Played, compare, played, table, told
from cockpit.replay.timeline import timeline
from cockpit.ui.versus import painted
from tests.replay.made import evening, moved, recording


def of(records: list[Record]) -> Played:
    return played(fold(records), timeline(records))


def calm() -> list[Record]:
    """The same evening without the failure, begun a minute later."""
    return recording(
        (61, moved("s0/copy", "running")), (81, moved("s0/copy", "done", 20)), (90, moved("s0/freeze", "running")),
        (92, moved("s0/freeze", "done", 2)), (95, moved("s0/switch", "running")), (97, moved("s0/switch", "done", 2)),
        (99, moved("s0/check", "running")),
    )  # fmt: skip


def both(align: str = "") -> Comparison:
    return compare(of(evening()), of(calm()), align)


def test_steps_are_compared_by_what_they_took_and_how_they_came_out() -> None:
    rows = {row.ref: row for row in both().rows}
    assert rows["s0/copy"].slower == pytest.approx(10)
    assert rows["s0/copy"].word == "slower"
    assert rows["s0/freeze"].word == "begun 2 times, not 1"
    assert rows["s0/switch"].word == ""
    assert rows["s0/check"].word == "only in the other run"


def test_the_runs_part_where_an_outcome_differs_not_where_one_is_slower() -> None:
    found = both()
    assert (found.parts, found.why) == ("s0/freeze", "s0/freeze was begun 2 times, not 1")
    same = compare(of(calm()), of(calm()))
    assert (same.parts, same.why) == ("", "")


def test_another_order_is_a_parting() -> None:
    swapped = recording(
        (61, moved("s0/freeze", "running")), (63, moved("s0/freeze", "done", 2)), (64, moved("s0/copy", "running")),
        (84, moved("s0/copy", "done", 20)),
    )  # fmt: skip
    found = compare(of(swapped), of(calm()))
    assert found.why == "s0/freeze came here, and s0/copy in the other run"


def test_the_runs_are_aligned_where_one_says() -> None:
    found = both("s0/switch")
    data = told(found)
    steps = {step["ref"]: step for step in data["steps"]}
    assert steps["s0/switch"]["one"]["began"] == steps["s0/switch"]["two"]["began"] == 0
    assert steps["s0/copy"]["one"]["began"] == -1254
    assert steps["s0/copy"]["two"]["began"] == -34
    with pytest.raises(CannotAlign, match=r"s0/sync did not begin in made nor in made; both have s0/copy, s0/freeze"):
        both("s0/sync")
    with pytest.raises(CannotAlign, match="have no step in common"):
        compare(of(evening()), of(recording()))


def test_the_page_shows_how_far_the_other_run_was_at_this_moment() -> None:
    records = evening()
    lines = ["".join(text for text, _ in line) for line in painted(both(), 0, fold(records[:3]), 130, 20)]
    assert len(lines) == 20
    copy = next(line for line in lines if "s0/copy" in line and "+  0.0 s" in line)
    assert "■" in copy
    assert "+10.0 s" in copy
    freeze = next(line for line in lines if line.startswith("≠s0/freeze"))
    assert freeze.count("·") == 1, "the other run had begun it by then, this one had not"
    assert any("they part: s0/freeze was begun 2 times, not 1" in line for line in lines)


def test_the_table_has_a_line_for_each_step() -> None:
    lines = table(both())
    assert [line.split()[0] for line in lines[6:]] == ["s0/copy", "s0/freeze", "s0/switch", "s0/check"]
    assert "they part at s0/freeze" in "\n".join(lines)
