"""Time from exec to the first painted frame, on a pseudo-terminal: `cockpit attach` on a waiting run against a one-widget program."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from cockpit.conductor.launch import spawn
from cockpit.journal.folder import create

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


def first_frame(argv: list[str], mark: bytes, env: dict[str, str]) -> float:
    """Seconds until `mark` appears on the terminal of a fresh process."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    began = time.perf_counter()
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    seen = b""
    try:
        while mark not in seen:
            ready, _, _ = select.select([master], [], [], 20)
            if not ready:
                raise TimeoutError(f"{argv[-1]} painted nothing in 20 s: {seen[-300:]!r}")
            seen = seen[-4096:] + os.read(master, 65536)
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()
        os.close(master)


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
            main = "import sys; from cockpit.cli.main import main; sys.exit(main())"
            for _ in range(rounds or ROUNDS):
                theirs.append(first_frame([sys.executable, str(peer)], b"first frame here", env))
                ours.append(first_frame([sys.executable, "-c", main, "attach", run.id], b"Open Society Forum", env))
        finally:
            os.kill(pid, 15)
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"one-widget Textual program  {statistics.median(theirs) * 1000:7.1f} ms  (median of {len(theirs)})")
    print(f"cockpit, board with plan    {statistics.median(ours) * 1000:7.1f} ms")
    print(f"ratio                       {ratio:7.2f}      target: at most {TARGET}")
    return ratio <= TARGET
