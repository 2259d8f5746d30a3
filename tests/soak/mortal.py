"""`python -m tests.soak.mortal COUNT …`: a conductor that is killed by SIGKILL right after its COUNT-th durable event is on disk.

Durable events are the journal's positions: every intent, every outcome, every move of a step. Probe events come as time goes by
and would make a position mean something else in each run.
"""

from __future__ import annotations

import os
import signal
import sys

from cockpit.conductor.__main__ import main
from cockpit.events import DURABLE
from cockpit.journal import line as lines
from cockpit.journal import writer


def arm(count: int) -> None:
    """Let this process die at that position."""
    real = writer._write_all
    seen = 0

    def write_all(descriptor: int, data: bytes) -> None:
        nonlocal seen
        done = 0
        for line in data.splitlines(keepends=True):
            done += len(line)
            seen += isinstance(lines.decode_unchained(line.rstrip(b"\n")).event, DURABLE)
            if seen == count:
                real(descriptor, data[:done])
                os.fdatasync(descriptor)
                os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor, data)

    writer._write_all = write_all


if __name__ == "__main__":
    arm(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
