"""Sizes over time: what rates and forecasts follow from them, and a book that outlives a crash."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cockpit.plan.load import load_plan
from cockpit.state import PassView
from cockpit.survey import book
from cockpit.survey.forecast import forecast, growth
from cockpit.survey.sizes import DataSet, Measure, data_sets, parsed, script
from cockpit.survey.table import lines, survey

DAY = 86400.0


def measure(utc: float, bytes: int, changed: int = -1, since: float = 0.0) -> Measure:
    return Measure(what="old:/srv/", utc=utc, bytes=bytes, files=10, changed=changed, since=since, look=2.0)


def passed(ref: str, utc: float, seconds: float, bytes: int, final: bool = False) -> PassView:
    return PassView(ref=ref, utc=utc, seconds=seconds, bytes=bytes, files=1, entries=10, final=final)


def test_the_rate_of_change_is_a_range_over_all_looks() -> None:
    """S28: size and rate of change of each data set."""
    found = growth([measure(2 * DAY, 1000, 8640, DAY), measure(3 * DAY, 3000, 86400, 2 * DAY)])
    assert found is not None
    assert (found.bytes, found.measures, found.low, found.high, found.known) == (3000, 2, 0.1, 1.0, True)
    assert found.over == 2 * DAY


def test_of_a_database_only_its_growth_is_known() -> None:
    found = growth([measure(0, 1000), measure(100, 1500), measure(200, 1400)])
    assert found is not None
    assert (found.low, found.high, found.known) == (1.0, 5.0, False)
    assert growth([]) is None


def test_the_final_copy_is_predicted_with_bounds() -> None:
    """S11: estimated before, from what changes in the meantime and from how fast earlier copies went."""
    changing = growth([measure(2 * DAY, 10**9, 10**6 * 864, DAY), measure(3 * DAY, 10**9, 2 * 10**6 * 864, 2 * DAY)])
    assert changing is not None
    found = forecast([changing], 2.0, [passed("a/b", 10.0, 100.0, 10**9), passed("a/b", 300.0, 3.0, 10**6)], 3600.0)
    assert found.due_low == pytest.approx(36e6, rel=0.01)
    assert found.due_high == pytest.approx(72e6, rel=0.01)
    # 3.6 to 7.2 s of bytes at 10 MB/s, and 2 to 3 s of looking.
    assert found.low < 5.6 < 10.2 < found.high
    assert found.high < 20
    assert "not known" in forecast([changing], 2.0, [], 3600.0).why
    assert forecast([changing], 2.0, [], 3600.0, rate=10**7).why == ""


def test_a_book_with_a_line_that_was_cut_off_is_read_and_added_to(tmp_path: Path) -> None:
    file = tmp_path / "plan.survey.jsonl"
    book.add(file, [measure(1.0, 1)])
    file.write_bytes(file.read_bytes() + b'{"what": "ol')
    book.add(file, [measure(2.0, 2)])
    assert [one.bytes for one in book.read(file)] == [1, 2]


@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh"])
def test_names_go_to_the_host_as_they_are(tmp_path: Path, shell: str) -> None:
    odd = tmp_path / "it's $(touch owned) `x` *\n-rw 1 0 0 9999 new"
    odd.mkdir()
    (odd / "a\nb").write_bytes(b"x" * 1000)
    (odd / "-rw").write_bytes(b"x" * 23)
    sets = [DataSet(host="old", kind="path", name=name) for name in (f"{odd}/", str(tmp_path / "none"), "-dash")]
    text = script(sets, {})
    done = subprocess.run(shell.split(), input=text.encode(), capture_output=True, cwd=tmp_path)
    found, troubles = parsed(done.stdout, sets, {}, 100.0)
    assert [(one.bytes, one.files, one.changed) for one in found] == [(1023, 2, 1023)], done
    assert len(troubles) == 2
    assert not (tmp_path / "owned").exists()


def test_what_a_plan_copies_and_dumps_is_what_is_measured(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/postgres-dump.sh").write_text(
        "# param: database d\nprobe() { :; }\napply() { :; }\nverify() { :; }\nundo() { :; }\n"
    )
    file = tmp_path / "plan.yaml"
    file.write_text("""\
cutover: 1
name: data
hosts: {old: {ssh: a@b}, new: {ssh: a@c}}
services:
  - id: rt
    steps:
      - {id: copy, phase: copy, sync: {from: old, to: new, paths: [/srv/, /etc/rt]}}
      - {id: dump, phase: sync, use: postgres-dump, on: old, with: {database: rt}}
      - {id: final, phase: sync, sync: {from: old, to: new, paths: [/srv/, /etc/rt], final: true}}
""")
    plan = load_plan(file)
    assert [one.label for one in data_sets(plan)] == ["old:/srv/", "old:/etc/rt", "old postgresql rt"]
    measures = [
        Measure(what="old:/srv/", utc=DAY, bytes=10**9, files=5, since=0.0, changed=10**6, look=1.0),
        Measure(what="old:/etc/rt", utc=DAY, bytes=10**3, files=5, since=0.0, changed=0, look=0.0),
        Measure(what="old postgresql rt", utc=DAY, bytes=10**7),
    ]
    text = "\n".join(
        lines(survey(plan, measures, {"rt/copy": [passed("rt/copy", 5.0, 10.0, 10**9)]}, {}, 3600.0), 3600.0)
    )
    assert "1.0 GB" in text
    assert "rt/final: 0:01 – 0:" in text
    assert "not measured yet" in "\n".join(lines(survey(plan, measures[:1], {}, {}, 3600.0), 3600.0))
