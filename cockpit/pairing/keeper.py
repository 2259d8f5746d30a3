"""What runs in the pane: it keeps a screen open on the run, opens it again when it dies, and ends with the run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable

MOST, WITHIN = 3, 30.0
"""So many screens that die within so many seconds: then a person decides."""


def keep(
    screen: list[str],
    over: Callable[[], bool],
    *,
    show: Callable[[str], None] = lambda words: print(words, flush=True),
    ask: Callable[[], object] = sys.stdin.readline,
    now: Callable[[], float] = time.monotonic,
) -> int:
    """Run `screen` until `over()` says that the run has no conductor any more. Returns the last exit status. A screen that was
    closed is opened again; one that dies too often waits for Enter (`ask`), with its last words left standing."""
    died: deque[float] = deque(maxlen=MOST)
    while True:
        status = _once(screen)
        if over():
            return status
        if status == 0:
            continue
        died.append(now())
        words = f"The screen ended with {_how(status)}. The run goes on."
        if len(died) == MOST and died[-1] - died[0] < WITHIN:
            show(f"{words} That was {MOST} times within {WITHIN:.0f} s: Enter opens it again, C-b d leaves.")
            ask()
            died.clear()
        else:
            show(f"{words} It is opened again.")


def _once(screen: list[str]) -> int:
    """The screen has the terminal; ^C is a key of it, and none of ours."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = subprocess.Popen(screen, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        return child.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _how(status: int) -> str:
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"status {status}"
