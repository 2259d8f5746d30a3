"""Every recipe is tried on the servers that it is for: its name is that of a trial in tests/real, or in tests/lab for the lab's own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cockpit.plan.recipes import library

ROOT = Path(__file__).resolve().parents[2]
SAME = {"karl-servers": "release"}
"""An example whose own recipes are, byte for byte, those of another one."""


def modules() -> dict[Path, str]:
    """The modules that try recipes."""
    found = {
        path: path.read_text() for path in (*(ROOT / "tests/real").glob("*.py"), *(ROOT / "tests/lab").glob("*.py"))
    }
    return {path: text for path, text in found.items() if "import" in text and "Trial" in text}


def around(path: Path) -> str:
    """A module's text, with those of the helpers that it imports."""
    text = path.read_text()
    helpers = [
        ROOT / f"{name.replace('.', '/')}.py" for name in re.findall(r"(?m)^from (tests\.real\.\w+) import", text)
    ]
    return "\n".join([text, *(helper.read_text() for helper in helpers if helper.is_file())])


def handed(text: str) -> set[str]:
    """The words of all texts that a module hands to a call, or keeps in a table: no docstring, and nothing that it expects."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Dict):
            given = node.values
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            given = node.value.elts
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            given = node.iter.elts
        for one in given:
            words |= {
                word
                for leaf in ast.walk(one)
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
                for word in leaf.value.split()
            }
    return words


@pytest.fixture(scope="module")
def tried() -> dict[Path, set[str]]:
    return {path: handed(text) for path, text in modules().items()}


def test_each_recipe_of_the_library_has_a_trial(tried: dict[Path, set[str]]) -> None:
    named = set().union(*tried.values())
    assert not set(library()) - named, "write a Trial for these: tests/real/trial.py says how"


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "cockpit").glob("examples/*/recipes")), ids=lambda path: path.parent.name
)
def test_each_own_recipe_of_an_example_has_a_trial(folder: Path, tried: dict[Path, set[str]]) -> None:
    example = folder.parent.name
    if example in SAME:
        other = folder.parents[1] / SAME[example] / "recipes"
        assert all((other / path.name).read_bytes() == path.read_bytes() for path in folder.glob("*.sh"))
        return
    own = f"examples/{example}/recipes"
    named = set().union(*(names for path, names in tried.items() if own in around(path)))
    assert not {path.stem for path in folder.glob("*.sh")} - named


def test_each_recipe_of_the_lab_s_plans_has_a_trial(tried: dict[Path, set[str]]) -> None:
    named = tried[ROOT / "tests/lab/test_recipes.py"]
    files = [*(ROOT / "cockpit").glob("lab/plans/*/recipes/*.sh")]
    assert len(files) > 20
    assert not {path.stem for path in files} - named
