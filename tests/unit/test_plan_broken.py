"""Each broken plan gives its finding at the right line and column, and nothing else ends in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.plan.load import PlanError, load, load_plan, loads
from tests.plans.broken import BROKEN, body, steps


@pytest.mark.parametrize(("code", "severity", "text"), BROKEN, ids=[f"{n}-{row[0]}" for n, row in enumerate(BROKEN)])
def test_a_broken_plan_is_told_at_its_place(code: str, severity: str, text: str, tmp_path: Path) -> None:
    before, mark, after = text.partition("§")
    assert mark, "the row marks no place"
    place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    loaded = loads((before + after).encode(), tmp_path / "plan.yaml")
    told = [(f.code, f.severity, f.line, f.column) for f in loaded.findings]
    assert (code, severity, *place) in told
    assert all(item[0] == code or item[1] == "warning" for item in told), "one mistake gives one error"
    assert (loaded.plan is None) == any(item[1] == "error" for item in told)


def test_the_table_is_as_long_as_promised() -> None:
    assert len({text for _, _, text in BROKEN}) >= 60


def test_all_findings_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = steps(
        "- {id: a, phase: nope, on: nowhere, run: {apply: x}}", "- {id: a, phase: copy, colour: red}", "- {phase: copy}"
    )
    found = loads(text.encode(), tmp_path / "plan.yaml").findings
    assert {f.code for f in found} >= {
        "unknown-phase",
        "unknown-host",
        "no-verify",
        "duplicate-id",
        "unknown-key",
        "missing-key",
    }
    assert [(f.line, f.column) for f in found] == sorted((f.line, f.column) for f in found)


def test_a_misspelt_key_is_met_with_the_right_one(tmp_path: Path) -> None:
    found = loads(body("recrods: []").encode(), tmp_path / "plan.yaml").findings
    assert [f.mend for f in found if f.code == "unknown-key"] == ["did you mean records?"]


def test_bytes_that_are_not_utf8_are_told_at_their_place(tmp_path: Path) -> None:
    loaded = loads(b"cutover: 1\nname: a\xffb\n", tmp_path / "plan.yaml")
    assert [(f.code, f.line, f.column) for f in loaded.findings] == [("not-utf8", 2, 8)]
    assert not loaded.readable


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    loaded = loads("\n".join(lines).encode(), tmp_path / "plan.yaml")
    assert [f.code for f in loaded.findings] == ["too-large"]


def test_a_missing_file_is_a_finding_and_an_error_with_a_sentence(tmp_path: Path) -> None:
    assert [f.code for f in load(tmp_path / "none.yaml").findings] == ["unreadable"]
    with pytest.raises(PlanError, match=r"none\.yaml:1:1: error unreadable the file cannot be read: No such file"):
        load_plan(tmp_path / "none.yaml")
