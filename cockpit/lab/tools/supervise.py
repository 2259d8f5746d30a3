"""`supervisorctl` on a host of the lab: keeps programs, one a file `etc/supervisor/NAME.conf` with `command` and `directory`.
What it does with a program and its pid file, the lab does with programs of its own.

Runs alone: `python supervise.py supervisorctl start|stop|restart|status NAME...`, where `all` is every program."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 10.0
"""Seconds that a program may take to say goodbye."""


def settings(name: str) -> dict[str, str]:
    """What the program's file says, line by line as `key=value`."""
    lines = (Path.home() / "etc/supervisor" / f"{name}.conf").read_text().splitlines()
    return {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}


def file_of(name: str) -> Path:
    """Where the program's pid is."""
    return Path.home() / "var/run" / f"{name}.pid"


def running(file: Path) -> int:
    """The process whose pid is in the file, 0 when there is none or it has ended, buried or not."""
    try:
        number = int(file.read_text())
        os.kill(number, 0)
        state = Path(f"/proc/{number}/stat")
        return 0 if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z" else number
    except (OSError, ValueError):
        return 0


def begin(
    words: Sequence[str], folder: str | Path, said: Path, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; what it says goes behind what is in a file. Raises OSError."""
    with said.open("ab") as out:
        return subprocess.Popen(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def end(file: Path, patience: float = PATIENCE) -> None:
    """End the process, gently first, and by force when it has not gone within so many seconds. Blocks until it is gone."""
    number = running(file)
    if not number:
        return
    ends = time.monotonic() + patience
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)
        while running(file) == number:
            if time.monotonic() > ends:
                os.kill(number, signal.SIGKILL)
            time.sleep(0.02)


def start(name: str) -> str:
    """Start the program in a session of its own. Raises OSError when it has no file or no folder."""
    file = file_of(name)
    if number := running(file):
        return f"{name}: runs already, pid {number}"
    said = settings(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    program = begin(["/bin/sh", "-c", f"exec {said['command']}"], said["directory"], file.with_suffix(".out"))
    file.write_text(f"{program.pid}\n")
    return f"{name}: started, pid {program.pid}"


def stop(name: str) -> str:
    """End the program, gently first."""
    if not running(file_of(name)):
        return f"{name}: does not run"
    end(file_of(name))
    return f"{name}: stopped"


def main(words: list[str]) -> int:
    """0 done, 1 a program cannot be started, 2 usage."""
    verb, names = (words[0], words[1:]) if words else ("", [])
    if verb not in {"start", "stop", "restart", "status"}:
        print("usage: supervisorctl start|stop|restart|status NAME...", file=sys.stderr)
        return 2
    if not names or names == ["all"]:
        names = sorted(file.stem for file in (Path.home() / "etc/supervisor").glob("*.conf"))
    try:
        for name in names:
            if verb in {"stop", "restart"}:
                print(stop(name))
            if verb in {"start", "restart"}:
                print(start(name))
            if verb == "status":
                number = running(file_of(name))
                print(f"{name}: runs, pid {number}" if number else f"{name}: does not run")
    except (OSError, KeyError) as error:
        print(f"supervisorctl: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
