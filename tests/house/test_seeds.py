"""Every capability that the accounts ask for has its proof: the tool that finds citations, and what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.plan.examples import examples
from tests.seeds import ROOT, capabilities, citations, main, table

ROWS = "| number | what |\n| --- | --- |\n| S1 | one |\n| S2 | two |\n| S3 | three |\n| S12 | twelve |\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("docs", "tests/real", "cockpit/examples/a"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "docs/capabilities.md").write_text(ROWS)
    (tmp_path / "cockpit/examples/a/a.yaml").write_text(
        'steps:\n  - {id: x, seeds: [S2, S12], phase: copy}\n  - {id: y, title: "not S3"} # S1 and more\n'
    )
    (tmp_path / "tests/real/test_x.py").write_text(
        'X = "no S3 here"\n\n\ndef test_a() -> None:\n    """S12: it is so."""\n'
    )
    return tmp_path


def test_citations_are_found_in_steps_comments_and_docstrings(tree: Path) -> None:
    assert citations(tree) == {
        1: ["cockpit/examples/a/a.yaml:3"],
        2: ["cockpit/examples/a/a.yaml:2"],
        12: ["tests/real/test_x.py::test_a", "cockpit/examples/a/a.yaml:2"],
    }
    lines, wrong = table(tree)
    assert wrong == ["S3 is cited nowhere: three"]
    assert "S3   three" in lines
    (tree / "tests/test_y.py").write_text("def test_b_s3_holds() -> None:\n    pass  # S13\n")
    assert table(tree)[1] == ["tests/test_y.py::test_b_s3_holds cites S13, which is not there"]


def test_all_sixty_six_are_listed() -> None:
    assert list(capabilities()) == list(range(1, 67))


@pytest.mark.skipif(len(list(examples())) < 5, reason="not all of the five migrations have their plan yet")
def test_every_capability_is_cited(capsys: pytest.CaptureFixture[str]) -> None:
    status = main()
    said = capsys.readouterr()
    assert (status, said.err.strip()) == (0, "")
    assert str(ROOT) not in said.out
