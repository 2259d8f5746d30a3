"""Eight visible tails at 1,000 lines a second each, end to end: files on two hosts, SSH, journal, socket, screen.

Prints the processor time of the screen and of the conductor, and how long a key waits for its answer on the terminal.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from cockpit.conductor.launch import spawn
from cockpit.journal.folder import create
from cockpit.journal.reader import records
from cockpit.reduce import reduce
from cockpit.state import RunState
from tests.terminal import Terminal

CPU_TARGET, KEY_TARGET = 0.40, 0.050
SECONDS = 15
RATE = 1000
FILES = tuple((host, f"logs/bench-{number}.log") for host in ("old", "new") for number in range(4))


class Ready(msgspec.Struct):
    """What the lab says when it is up."""

    plan: str


class Writers(threading.Thread):
    """Appends to each file at the rate, ten times a second."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__(daemon=True)
        self._files = files
        self.stopping = threading.Event()
        self.lines = 0

    def run(self) -> None:
        handles = [file.open("ab", buffering=0) for file in self._files]
        began = time.monotonic()
        while not self.stopping.wait(0.1):
            due = int((time.monotonic() - began) * RATE)
            lines = [f"{n:09d} bench.example.org GET /page/{n % 977} HTTP/1.1 200 {n % 4096} some words to be read\n" for n in range(self.lines, due)]  # fmt: skip
            data = "".join(lines).encode()
            for handle in handles:
                handle.write(data)
            self.lines = due


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(rounds: int = 0) -> bool:
    """Print the figures; whether both are within their targets. `rounds` is how many seconds."""
    seconds = rounds or SECONDS
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lab = subprocess.Popen(
            [sys.executable, "-m", "cockpit.lab", "--folder", f"{folder}/lab", "--clients", "osf", "--quiet", "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert lab.stdout is not None
        plan = Path(msgspec.json.decode(lab.stdout.readline(), type=Ready).plan)
        logs = "".join(f"      - {{host: {host}, file: {file}}}\n" for host, file in FILES)
        text = re.sub(r"(?m)^    logs:\n(?:      .*\n)+", f"    logs:\n{logs}", plan.read_text())
        plan.write_text(text)
        files = [plan.parent / host / file for host, file in FILES]
        for file in files:
            file.touch()
        env = dict(os.environ, COCKPIT_RUNS=f"{folder}/runs", TERM="xterm-256color", COLORTERM="truecolor")
        os.environ["COCKPIT_RUNS"] = env["COCKPIT_RUNS"]
        run = create("bench")
        pid = spawn(run.path, ["--folder", str(run.path), "--plan", str(plan)])
        while not run.socket.exists():
            time.sleep(0.05)
        screen = Terminal.cockpit("attach", run.id, env=env, size=(200, 60))
        writers = Writers(files)
        try:
            screen.read(3)
            screen.press("L", "bench-3.log")
            writers.start()
            screen.read(4)
            began, before, conductor = time.monotonic(), cpu(screen.process.pid), cpu(pid)
            waits: list[float] = []
            while time.monotonic() < began + seconds:
                waits.append(screen.press(" ", "❚❚ held"))
                screen.read(0.03)
                waits.append(screen.press(" ", " OLD "))
                screen.read(0.05)
            spent = time.monotonic() - began
            ours = (cpu(screen.process.pid) - before) / spent
            theirs = (cpu(pid) - conductor) / spent
            writers.stopping.set()
            writers.join()
            screen.read(2)
            state = RunState()
            for record in records(run.journal):
                state = reduce(state, record)
            heard = {f"{log.host}:{log.file}": log.count + log.dropped for log in state.logs.values()}
        finally:
            screen.close()
            os.kill(pid, 15)
            assert lab.stdin is not None
            lab.stdin.close()
            lab.wait(10)
    waits.sort()
    p99 = waits[int(len(waits) * 0.99)]
    complete = all(heard[f"{host}:{file}"] == writers.lines for host, file in FILES)
    print(
        f"8 tails, {RATE} lines/s each, {spent:.0f} s; {writers.lines} lines a file, {'all' if complete else 'NOT all'} in the journal"
    )
    print(f"screen     {ours:6.1%} of a core    target: under {CPU_TARGET:.0%}")
    print(f"conductor  {theirs:6.1%} of a core    (SSH, journal, socket)")
    print(
        f"keys       median {waits[len(waits) // 2] * 1000:.1f} ms, 99th percentile {p99 * 1000:.1f} ms of {len(waits)}    target: {KEY_TARGET * 1000:.0f} ms"
    )
    return ours < CPU_TARGET and p99 <= KEY_TARGET and complete
