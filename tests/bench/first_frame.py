"""Time from exec to the first painted frame, on a pseudo-terminal: `cockpit attach` on a waiting run against a one-widget program."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from cockpit.conductor.launch import spawn
from cockpit.journal.folder import create
from tests.terminal import Terminal

TARGET = 1.4
ROUNDS = 15

PEER = """
from textual.app import App
from textual.widgets import Static
class One(App):
    def compose(self):
        yield Static("first frame here")
One().run()
"""


def first_frame(terminal: Terminal, mark: str) -> float:
    """Seconds until `mark` appears on the terminal of a fresh process."""
    try:
        return terminal.expect(mark, 20)
    finally:
        terminal.close()


def measure(rounds: int = 0) -> bool:
    """Print both medians and their ratio; whether it is within the target."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        env = dict(os.environ, COCKPIT_RUNS=folder, TERM="xterm-256color", COLORTERM="truecolor")
        os.environ["COCKPIT_RUNS"] = folder
        run = create("bench")
        pid = spawn(run.path, ["--folder", str(run.path), "--lab", "karl"])
        try:
            until = time.monotonic() + 30
            while not run.socket.exists():
                if time.monotonic() > until:
                    raise TimeoutError("the conductor did not come up")
                time.sleep(0.05)
            time.sleep(3)
            peer = Path(folder) / "peer.py"
            peer.write_text(PEER)
            ours: list[float] = []
            theirs: list[float] = []
            for _ in range(rounds or ROUNDS):
                theirs.append(first_frame(Terminal([sys.executable, str(peer)], env), "first frame here"))
                ours.append(first_frame(Terminal.cockpit("attach", run.id, env=env), "Open Society Forum"))
        finally:
            os.kill(pid, 15)
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"one-widget Textual program  {statistics.median(theirs) * 1000:7.1f} ms  (median of {len(theirs)})")
    print(f"cockpit, board with plan    {statistics.median(ours) * 1000:7.1f} ms")
    print(f"ratio                       {ratio:7.2f}      target: at most {TARGET}")
    return ratio <= TARGET
