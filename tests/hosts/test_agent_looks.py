"""A log that is rotated just while its folder is looked at: no generation is in neither the old place nor the new one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from cockpit.hosts.agent import logs
from cockpit.hosts.agent.logs import Log

AGENT = resources.files("cockpit.hosts.agent")
SHELLS = ("dash", "bash --posix", "busybox sh")
RENAME = "[ -e {0}.4 ] || { mv {0}.3 {0}.4; mv {0}.2 {0}.3; }"
"""What the rotation does between the list and the look: both files are gone from where they were listed."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with three generations beside it."""
    for age, name in enumerate(("log.3", "log.2", "log.1", "log")):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_000_000 + age, 1_000_000 + age))
    return tmp_path / "log"


def by_python(log: Path, rotate: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    really = os.stat

    def look(path: str, *rest: object, **more: object) -> os.stat_result:
        found = really(path, *rest, **more)  # type: ignore[arg-type]
        if str(path).endswith("log.1"):
            rotate()
        return found

    monkeypatch.setattr(logs.os, "stat", look)
    return [name for name, _ in Log(0, "all", str(log)).siblings()]


def said_by(shell: str, log: Path, words: str, before: str = "") -> str:
    """What a shell says that has the agent's parts, with `before` where commands are looked for first."""
    text = "".join(AGENT.joinpath(part).read_text() for part in ("files.sh", "generations.sh", "reading.sh"))
    text += f"\ndir_0={log.parent}/ base_0={log.name} path_0={log}\n{words}\n"
    path = f"{before}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    done = subprocess.run([*shell.split(), "-c", text], env={"PATH": path}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def by_shell(shell: str, log: Path, script: str) -> list[str]:
    tools = log.parent / "tools"
    tools.mkdir()
    (tools / "stat").write_text(f'#!/bin/sh\nPATH=${{PATH#*:}}\ncase $* in *log.1*) {script};; esac\nexec stat "$@"\n')
    (tools / "stat").chmod(0o755)
    said = said_by(shell, log, 'siblings 0\nprintf %s "$found"', str(tools))
    return [line.split(" ", 4)[4] for line in said.splitlines()]


def test_python_finds_a_generation_that_is_renamed_meanwhile(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rotate() -> None:
        subprocess.run(["sh", "-c", RENAME.replace("{0}", str(log))], check=True)

    assert by_python(log, rotate, monkeypatch) == ["log.4", "log.3", "log.1"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_finds_a_generation_that_is_renamed_meanwhile(log: Path, shell: str) -> None:
    assert by_shell(shell, log, RENAME.replace("{0}", str(log))) == ["log.4", "log.3", "log.1"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_folder_that_is_never_still_ends_the_look_all_the_same(log: Path, shell: str) -> None:
    assert "log.1" in by_shell(shell, log, f"mktemp {log}.20000101XXXX >/dev/null; rm -f {log}.2")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_log_that_is_gone_before_it_is_opened_does_not_end_the_agent(log: Path, shell: str) -> None:
    assert said_by(shell, log, f"hold {log}.9 || echo later\nhold {log} && kill $held && echo held") == "later\nheld\n"
    gone = f"status {log}; add 0 0 {log}.9 '' 0; moved=; take 0 0 5 7 && echo later"
    assert said_by(shell, log, gone) == "later\n"
