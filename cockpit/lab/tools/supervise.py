"""`supervisorctl` on a host of the lab: keeps programs, one a file `etc/supervisor/NAME.conf` with `command` and `directory`.

Runs alone: `python supervise.py supervisorctl start|stop|restart|status NAME...`, where `all` is every program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 10.0


def settings(name: str) -> dict[str, str]:
    """What the program's file says, line by line as `key=value`."""
    lines = (Path.home() / "etc/supervisor" / f"{name}.conf").read_text().splitlines()
    return {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}


def pid(name: str) -> int:
    """The program's process, 0 when none runs."""
    file = Path.home() / "var/run" / f"{name}.pid"
    try:
        number = int(file.read_text())
        os.kill(number, 0)
        state = Path(f"/proc/{number}/stat")
        return 0 if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z" else number
    except (OSError, ValueError):
        return 0


def start(name: str) -> str:
    """Start the program in a session of its own. Raises OSError when it has no file or no folder."""
    if running := pid(name):
        return f"{name}: runs already, pid {running}"
    said = settings(name)
    run = Path.home() / "var/run"
    run.mkdir(parents=True, exist_ok=True)
    with (run / f"{name}.out").open("ab") as out:
        program = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {said['command']}"],
            cwd=said["directory"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    (run / f"{name}.pid").write_text(f"{program.pid}\n")
    return f"{name}: started, pid {program.pid}"


def stop(name: str) -> str:
    """End the program, gently first."""
    running = pid(name)
    if not running:
        return f"{name}: does not run"
    os.kill(running, signal.SIGTERM)
    ends = time.monotonic() + PATIENCE
    while pid(name):
        if time.monotonic() > ends:
            os.kill(running, signal.SIGKILL)
        time.sleep(0.02)
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
                print(f"{name}: {'runs, pid ' + str(pid(name)) if pid(name) else 'does not run'}")
    except (OSError, KeyError) as error:
        print(f"supervisorctl: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
