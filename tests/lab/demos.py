"""Demos as somebody starts them: in processes of their own, asked afterwards what they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cockpit.lab import stages

MAIN = "import sys; from cockpit.cli.main import main; sys.exit(main())"
PATIENCE = 480.0
"""Seconds for a whole demo on a machine that has much else to do."""


class Ran(msgspec.Struct, frozen=True):
    """A headless demo that has ended."""

    status: int
    summary: dict[str, Any]
    errors: str
    folder: Path
    """The run folder."""

    @property
    def lab(self) -> Path:
        return self.folder / "lab"

    @property
    def tally(self) -> dict[str, Any]:
        """What became of all that the demo's people did."""
        told: dict[str, Any] = json.loads((self.lab / "tally.json").read_text())
        return told

    def steps(self, service: str) -> dict[str, dict[str, Any]]:
        """The steps of a service by id."""
        return {step["ref"].partition("/")[2]: step for step in self.summary["services"][service]["steps"]}


def cockpit(*words: str, runs: Path) -> subprocess.CompletedProcess[str]:
    """The command line, with a folder for its runs."""
    env = dict(os.environ, COCKPIT_RUNS=str(runs))
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words], capture_output=True, text=True, env=env, timeout=PATIENCE, check=False
    )


def demo(name: str, runs: Path) -> Ran:
    """A whole demo, every gate opened. The first of the list is asked for without a name, as newcomers do."""
    named = () if name == next(iter(stages())) else ("--plan", name)
    ran = cockpit("demo", *named, "--headless", "--go", "all", "--json", runs=runs)
    assert ran.stdout, ran.stderr
    return Ran(ran.returncode, json.loads(ran.stdout), ran.stderr, next(runs.glob(f"*demo-{name}*")))


def whole(ran: Ran, *services: str) -> None:
    """What is true of every demo that went to its end: each step verified or skipped with a reason, nothing lost, nothing twice."""
    assert ran.status == 0, ran.errors
    assert "Traceback" not in ran.errors
    assert tuple(ran.summary["services"]) == services
    for name, service in ran.summary["services"].items():
        assert service["complete"], name
        for step in service["steps"]:
            assert step["state"] in {"done", "already", "skipped"}, step
    said = ran.tally
    assert said["sentence"] in ran.errors
    assert said["lost"] == [], said
    assert said["doubled"] == [], said
    assert said["requests"] > 20
    assert all(said["taken"].values()), said["taken"]


@contextmanager
def lab(name: str, folder: Path, *words: str) -> Iterator[dict[str, Any]]:
    """`cockpit lab` with that demo, and what it says when it is ready."""
    given = [sys.executable, "-c", MAIN, "lab", "--plan", name, "--folder", str(folder), "--until-stdin-closes", *words]
    with subprocess.Popen(given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


def tally(folder: Path) -> dict[str, Any]:
    """What a lab wrote down when it ended."""
    told: dict[str, Any] = json.loads((folder / "tally.json").read_text())
    return told


PASSING = {"logs", "tmp", ".cockpit", "cockpit.lock", "queue"}
"""Folders and files of a host that are no part of what it is there for."""


def standing(home: Path) -> dict[str, str]:
    """All that stands on a host of a lab, by path: its mode, and what it holds or where it leads."""
    found: dict[str, str] = {}
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if PASSING & set(name.parts):
            continue
        held = (
            str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_bytes().decode("latin-1")
        )
        found[str(name)] = f"{path.lstat().st_mode:o} {held}"
    return found


def differ(before: dict[str, str], after: dict[str, str], but: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    """What is not the same, with what it was and what it is, but for what begins so."""
    two = {
        path: (before.get(path, "absent"), after.get(path, "absent")) for path in sorted(before.keys() | after.keys())
    }
    return {path: (was[:200], is_[:200]) for path, (was, is_) in two.items() if was != is_ and not path.startswith(but)}
