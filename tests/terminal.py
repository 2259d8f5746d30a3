"""A program on a pseudo-terminal: its keys, its output, and how long it takes from one to the other."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping

MAIN = "import sys; from cockpit.cli.main import main; sys.exit(main())"


class Terminal:
    """Runs a program on a terminal of `size` (width, height) and keeps the last bytes that it wrote."""

    def __init__(
        self, argv: list[str], env: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 40)
    ) -> None:
        self._master, slave = pty.openpty()
        self.attributes = termios.tcgetattr(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.began = time.perf_counter()
        environment = dict(env or os.environ, TERM="xterm-256color", COLORTERM="truecolor")
        # Whoever tests in the background ignores ^C, and so would all that is started there.
        ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        signal.signal(signal.SIGINT, ignored)
        self._slave = slave
        self.seen = b""

    @property
    def descriptor(self) -> int:
        """The side of the terminal on which its person sits."""
        return self._master

    @classmethod
    def cockpit(cls, *words: str, env: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 40)) -> Terminal:
        """`cockpit WORDS`."""
        return cls([sys.executable, "-c", MAIN, *words], env, size)

    def read(self, seconds: float) -> bytes:
        """Take what comes for so long; returns all that was kept."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._take(left)
        return self.seen

    def _take(self, wait: float) -> None:
        if select.select([self._master], [], [], wait)[0]:
            self.seen = (self.seen + os.read(self._master, 1 << 16))[-(1 << 18) :]

    def expect(self, mark: str, seconds: float = 30.0) -> float:
        """Wait for a text; seconds since the program was started."""
        until = time.monotonic() + seconds
        while mark.encode() not in self.seen:
            if time.monotonic() > until:
                raise TimeoutError(f"{mark!r} did not appear; the last was {self.seen[-400:]!r}")
            self._take(0.2)
        return time.perf_counter() - self.began

    def send(self, keys: str) -> None:
        """Send keys, and wait for nothing."""
        os.write(self._master, keys.encode())

    def press(self, keys: str, mark: str = "", seconds: float = 10.0) -> float:
        """Send keys; with `mark`, wait for that text. Returns the seconds it took."""
        self.seen = b""
        began = time.perf_counter()
        os.write(self._master, keys.encode())
        if mark:
            self.expect(mark, seconds)
        return time.perf_counter() - began

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def modes(self) -> list[object]:
        """The terminal's attributes now; as they were means restored."""
        return list(termios.tcgetattr(self._slave))

    def close(self) -> None:
        """End the program and the terminal."""
        if self.process.poll() is None:
            self.kill()
        os.close(self._slave)
        os.close(self._master)
