"""What the docs say of the program's parts is so: contracts of imports, files that are named, folders of tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
TOLD = re.findall(r"(?ms)^\d+\. (.*?)(?=^\d+\. |^\n|\Z)", PAGE.partition("`lint-imports`")[2].partition("\n## ")[0])


def test_the_page_tells_every_contract() -> None:
    assert len(TOLD) == len(CONTRACTS)


@pytest.mark.parametrize(
    "number", range(len(CONTRACTS)), ids=lambda number: CONTRACTS[number]["name"].replace(" ", "-")
)
def test_a_contract_is_told_with_all_its_modules(number: int) -> None:
    contract, words = CONTRACTS[number], set(re.findall(r"\w+", TOLD[number].lower()))
    named = {module.rpartition(".")[2] for module in contract["source_modules"]}
    named |= {module.rpartition(".")[2] for module in contract["forbidden_modules"] if module.startswith("cockpit.")}
    assert not named - words, f"{contract['name']}: {named - words} not told in: {TOLD[number]}"


def test_files_of_the_program_that_a_page_names_are_there() -> None:
    pages = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for page in pages:
        for name in re.findall(r"`((?:cockpit|tests)/(?!\S*[A-Z]{4})[\w/-]+\.(?:py|sh))`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_every_folder_of_tests_is_in_the_table() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text()
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert not {folder for folder in folders if f"`tests/{folder}`" not in table}
