"""Recipes where what they are given is not as they hope, in a scratch folder; commands that could do harm are stood in for."""

from __future__ import annotations

import os
import subprocess
from importlib import resources
from pathlib import Path

import pytest


def told(recipe: str, calls: str, stubs: str = "", **params: str) -> subprocess.CompletedProcess[str]:
    """The recipe's file, then functions that take the place of commands, then calls."""
    text = resources.files("cockpit.recipes").joinpath(f"{recipe}.sh").read_text()
    return subprocess.run(
        ["sh", "-c", f"{text}\n{stubs}\n{calls}"],
        env=dict(os.environ) | params,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("call", ["apply", "undo"])
def test_a_folder_that_cannot_be_entered_has_nothing_deleted_in_its_place(tmp_path: Path, call: str) -> None:
    into, archive, found = tmp_path / "into", tmp_path / "a.tar", tmp_path / "found"
    into.mkdir()
    archive.write_bytes(b"")
    (tmp_path / "a.tar.sha256").write_text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -\n")
    params = {"archive": str(archive), "into": str(into), "evidence": str(tmp_path / "evidence"), "captured_made": "0"}
    closed = f'cd() {{ return 1; }}\nfind() {{ echo "$PWD $*" >> {found}; }}'
    said = told("backup-restorable", call, closed, **params)
    assert said.returncode != 0, said
    assert not found.exists(), found.read_text()


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.touch()
    params = {"archive": str(archive), "into": str(tmp_path), "evidence": str(tmp_path / "evidence")}
    said = told("backup-restorable", "capture", "ls() { return 2; }", **params)
    assert said.returncode == 1
    assert "cannot be read" in said.stderr
    gone = told("backup-restorable", "verify_undo", "ls() { return 2; }", **params, captured_made="0")
    assert gone.returncode != 0, gone
