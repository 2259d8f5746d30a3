"""The recipe library as files: headers that say enough, texts that any shell takes, a table in the docs that is fresh."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.plan.recipes import DANGERS, GROUPS, Recipe, Shelf, library, parse

ROOT = Path(__file__).resolve().parents[2]
DOC = ROOT / "docs" / "recipes.md"
BEGIN, END = "<!-- library: begin -->", "<!-- library: end -->"
SHELF = Shelf(ROOT / "nowhere")


def recipe(name: str) -> Recipe:
    found = SHELF.get(name)
    assert found is not None
    return found


def own() -> list[Path]:
    """Recipes that belong to an example, or to a demo of the lab."""
    places = (ROOT / "cockpit" / place for place in ("examples", "lab/plans"))
    return sorted(path for place in places for path in place.glob("*/recipes/*.sh"))


def lab() -> list[Path]:
    """Recipes of the lab's plans."""
    return sorted((ROOT / "cockpit" / "lab" / "plans").glob("*/recipes/*.sh"))


def table() -> str:
    """The library by group, as the docs show it."""
    lines: list[str] = []
    grouped = {group: [name for name in library() if recipe(name).group == group] for group in GROUPS}
    for group, names in grouped.items():
        if not names:
            continue
        lines += [f"### {GROUPS[group]}", "", "| recipe | what it does | parameters | needs | danger | undo |", "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        for found in map(recipe, names):
            params = ", ".join(f"`{param}`" + ("?" if param in found.optional else "") for param in found.params)
            danger = f"{found.danger}: {found.why}" if found.why else found.danger
            cells = (f"`{found.name}`", found.title, params, " ".join(found.needs), danger, found.undo)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def test_the_table_in_the_docs_is_what_the_headers_say() -> None:
    text = DOC.read_text()
    before, _, rest = text.partition(BEGIN)
    shown, _, after = rest.partition(END)
    fresh = f"\n{table()}"
    if os.environ.get("COCKPIT_GOLDEN") == "write":
        DOC.write_text(f"{before}{BEGIN}{fresh}{END}{after}")
        return
    assert shown == fresh, "docs/recipes.md is stale: COCKPIT_GOLDEN=write pytest tests/house/test_recipes.py"


def tells_enough(found: Recipe) -> None:
    """A header that says what its reader wants to know, and what it says is so."""
    assert found.title
    assert found.group in GROUPS
    assert found.danger in DANGERS
    assert (found.danger == "none") == (not found.why)
    assert found.undo
    # What changes nothing has nothing to take back: a file that is written is a change, too.
    assert found.danger != "none" or found.undo.startswith("nothing "), f"{found.name} takes back: {found.undo}"
    assert {"probe", "apply", "verify", "undo"} <= found.functions, sorted(found.functions)
    body = re.sub(r"(?m)^\s*#.*$", "", found.text)
    for param, words in found.params.items():
        if not words.startswith("passed on"):
            assert re.search(rf"(\$\{{?|environ\S*\"){param}\b", body), f"{found.name} never uses its parameter {param}"
    for word in re.findall(r"\$\{?captured_(\w+)", body):
        assert re.search(rf"(?:\b|\\n){word}=", body), f"{found.name} uses captured_{word}, which it does not capture"


@pytest.mark.parametrize("name", library())
def test_a_recipe_s_header_says_what_its_reader_wants_to_know(name: str) -> None:
    tells_enough(recipe(name))


def test_so_do_the_headers_of_a_plan_s_own_recipes() -> None:
    files = own()
    assert {path.parents[1].parent.name for path in files} == {"examples", "plans"}
    for path in files:
        tells_enough(parse(path.stem, path.read_text()))


@pytest.mark.parametrize("name", library())
def test_a_recipe_s_optional_parameters_may_be_left_out(name: str) -> None:
    found = recipe(name)
    body = re.sub(r"(?m)^\s*#.*$", "", found.text)
    for param in found.optional:
        bare = re.findall(rf"\$\{{{param}\}}|\${param}\b", body)
        guarded = re.search(rf"\$\{{{param}(:?[-+=?])", body)
        assert guarded or not bare, f"{name} uses ${param} without a default"


def test_a_parameter_that_a_recipe_runs_is_declared_as_shell_text() -> None:
    """Else a plan could fill values into it, and they would be run."""
    for path in [*sorted((ROOT / "cockpit" / "recipes").glob("*.sh")), *own(), *lab()]:
        found = parse(path.stem, path.read_text())
        run = set(re.findall(r'(?:\bsh -e?u?c|\beval) "\n?\$\{?(\w+)', found.text))
        assert run & set(found.params) <= found.shell, (
            f"{path.name} runs its parameters {run & set(found.params) - found.shell}"
        )
        if re.search(r'\bsh -e?u?c "\n?\$', found.text):
            assert found.shell, f"{path.name} runs a text, and says of none of its parameters that it is shell text"


@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh"])
def test_every_recipe_is_shell_text_that_this_shell_takes(shell: str) -> None:
    files = [*sorted((ROOT / "cockpit" / "recipes").glob("*.sh")), *own()]
    for path in files:
        done = subprocess.run([*shell.split(), "-n", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{path.name}: {done.stderr}"


def test_every_shell_file_passes_shellcheck() -> None:
    files = sorted((ROOT / "cockpit").rglob("*.sh"))
    # pip puts it beside the interpreter, which need not be in the search path.
    shellcheck = Path(sys.executable).with_name("shellcheck")
    command = [str(shellcheck), "--shell=sh", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
