"""The house: pictures that are fresh, a wheel that has everything in it, a README whose commands are those that run."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from cockpit.cli.main import COMMANDS, parser
from cockpit.ui.actions import ACTIONS, key_word
from tests.recordings.pictures import PICTURES, pictures

ROOT = Path(__file__).resolve().parents[2]


async def test_the_screenshots_are_what_the_recording_shows_today(recording: Path) -> None:
    made = await pictures(recording)
    assert {path.stem for path in PICTURES.glob("*.svg")} == set(made)
    for name, text in made.items():
        fresh = (PICTURES / f"{name}.svg").read_text(encoding="utf-8") == text
        assert fresh, f"screenshots/{name}.svg is stale: python -m tests.recordings.pictures makes it anew"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return next(folder.glob("*.whl"))


FAMILIES = (
    *("recipes/*.sh", "hosts/*.sh", "hosts/agent/*.sh", "hosts/sync/*.sh", "probes/mail/*.sh", "survey/*.sh"),
    *("preflight/*.sh", "examples/*/*.yaml", "examples/*/recipes/*.sh"),
    *("lab/plans/*/*.yaml", "lab/plans/*/recipes/*.sh", "lab/plans/shared/recipes/*.sh"),
)
"""What the program reads that is not Python."""


def test_the_wheel_holds_all_that_is_not_python(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    found = {pattern: set((ROOT / "cockpit").glob(pattern)) for pattern in FAMILIES}
    assert all(found.values()), [pattern for pattern, files in found.items() if not files]
    there = {path for path in (ROOT / "cockpit").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    others = there - set().union(*found.values()) - {ROOT / "cockpit/py.typed"}
    assert not others, "a new kind of file: say in FAMILIES that the wheel has it"
    wanted = {str(path.relative_to(ROOT)) for path in there}
    wanted |= {f"cockpit/styles/{path.name}" for path in (ROOT / "styles").glob("*.tcss")}
    assert len(wanted) > 150
    assert wanted <= names, sorted(wanted - names)
    assert not {name for name in names if name.startswith("tests/")}


def test_what_is_installed_from_the_wheel_finds_its_styles_and_recipes(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, system_site_packages=False)
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    import textual

    (site / "others.pth").write_text(str(Path(textual.__file__).parents[1]))
    code = (
        "import cockpit, cockpit.ui.app as app, cockpit.hosts.job as job; from importlib.resources import files;"
        "print(cockpit.__file__); print([p.name for p in app.stylesheets()]);"
        "print(len([p for p in files('cockpit.recipes').iterdir() if p.name.endswith('.sh')]));"
        "print(files('cockpit.examples').joinpath('karl', 'karl.yaml').is_file(), len(files('cockpit.hosts').joinpath('supervisor.sh').read_text()))"
    )
    ran = subprocess.run(
        [tmp_path / "venv/bin/python", "-I", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    where, styles, recipes, rest = ran.stdout.splitlines()
    assert str(site) in where
    assert "cockpit.tcss" in styles
    assert int(recipes) == len(list((ROOT / "cockpit/recipes").glob("*.sh")))
    assert rest.startswith("True ")


def test_the_readme_s_second_command_is_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    ci = (ROOT / ".ci/run").read_text()
    commands = re.findall(r"(?ms)^```sh\n(.*?)```", readme)
    assert "cockpit demo" in commands[0]
    tests = commands[1].strip().splitlines()[-1].strip()
    assert tests == ".venv/bin/python -m pytest -n 4"
    assert tests in ci


def test_the_readme_names_no_command_that_is_not_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for command in re.findall(r"`cockpit ([a-z]+)", page.read_text()):
            assert command in COMMANDS, f"{page.name}: cockpit {command}"


def test_every_command_and_every_option_of_it_is_in_the_docs() -> None:
    files = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    docs = " ".join(" ".join(file.read_text(encoding="utf-8").split()) for file in files)
    [commands] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    words: dict[str, str] = {}
    for name, command in commands.choices.items():
        words[f"cockpit {name}"] = f"cockpit {name}"
        for action in command._actions:
            if action.help != argparse.SUPPRESS and action.dest != "help":
                words |= {f"cockpit {name} {option}": option for option in action.option_strings if option[1:2] == "-"}
    missing = [told for told, word in words.items() if not re.search(rf"(?<![\w-]){word}(?![\w-])", docs)]
    assert not missing, f"not in docs/: {', '.join(missing)}"


def test_links_and_pictures_in_the_docs_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_s_table_of_keys_has_every_key() -> None:
    readme = (ROOT / "README.md").read_text()
    for action in ACTIONS:
        assert f"`{key_word(action)}`" in readme, f"{action.id} ({action.key})"


def test_the_top_level_holds_only_what_is_meant() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        return  # An unpacked archive has no list to compare with.
    assert {name.partition("/")[0] for name in tracked.stdout.splitlines()} == {
        ".ci",
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "cockpit",
        "docs",
        "pyproject.toml",
        "screenshots",
        "styles",
        "tests",
    }


def test_no_file_is_past_what_can_be_read_in_one_sitting() -> None:
    long = {
        path.name: count
        for top in ("cockpit", "tests")
        for path in (ROOT / top).rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 450
    }
    assert not long
