"""Runs on the host: reads on standard input what to follow and from where, and follows until that ends.

What it reads and writes is described in `cockpit/hosts/frames.py`.
"""

import json
import os
import select
import subprocess
import sys
import time

from cockpit.hosts.agent.files import Gen, say
from cockpit.hosts.agent.logs import QUANTUM, Log

SLEEPS = (0.02, 0.05)  # Seconds between two rounds: after something was told, and in silence.
BEAT = 1.0
UNIT_PAUSE = 0.3


class Unit:
    """What one journald unit logs, from a cursor on."""

    def __init__(self, index: int, cursor: str, name: str) -> None:
        self.index = index
        self.cursor = cursor
        self.name = name
        self.tool = None  # type: subprocess.Popen[bytes] | None
        self.next = 0.0
        self.told = ""

    def turn(self) -> bool:
        """Tell up to a quantum of entries; whether there were any."""
        now = time.monotonic()
        if self.tool is None:
            if now < self.next:
                return False
            where = ["--after-cursor=" + self.cursor] if self.cursor != "-" else ["-n", "20"]
            words = ["journalctl", "-q", "--no-pager", "-o", "json", "-u", self.name]
            try:
                self.tool = subprocess.Popen(
                    words + where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
            except OSError:
                self._trouble("there is no journalctl")
                self.next = now + 5.0
                return False
        out, err = self.tool.stdout, self.tool.stderr
        assert out is not None
        assert err is not None
        lines, size = [], 0
        while size < QUANTUM:
            raw = out.readline()
            if not raw:
                why = err.read().decode("utf-8", "replace")
                if self.tool.wait():
                    self._trouble(why)
                elif self.told:
                    self.told = ""
                    say("T {} ".format(self.index))
                out.close()
                err.close()
                self.tool, self.next = None, now + UNIT_PAUSE
                break
            try:
                entry = json.loads(raw.decode("utf-8", "replace"))
                cursor, line = entry["__CURSOR"], entry_line(entry)
            except (ValueError, KeyError, TypeError):
                continue
            self.cursor = cursor
            lines.append(line)
            size += len(line)
        if lines:
            self.told = ""
            data = b"".join(lines)
            say("U {} {} {:.3f} {}".format(self.index, len(data), time.time(), self.cursor), data)
        return bool(lines)

    def _trouble(self, why: str) -> None:
        why = " ".join(why.split())[:300] or "journalctl failed"
        if why != self.told:
            say("T {} {}".format(self.index, why))
        self.told = why


def entry_line(entry: "dict[str, object]") -> bytes:
    """An entry as one line: time, host, who and message."""
    told = entry.get("MESSAGE") or ""
    message = bytes(told).decode("utf-8", "replace") if isinstance(told, list) else str(told)
    micros = int(str(entry["__REALTIME_TIMESTAMP"]))
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micros // 10**6))
    who = entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "-"
    pid = entry.get("SYSLOG_PID") or entry.get("_PID")
    line = "{}.{:06d}+00:00 {} {}{}: {}".format(
        at, micros % 10**6, entry.get("_HOSTNAME") or "-", who, "[{}]".format(pid) if pid else "", message
    )
    return line.replace("\n", " ⏎ ").encode("utf-8", "replace") + b"\n"


def configure(lines: "list[str]") -> "list[Log | Unit]":
    """What to follow, by its lines (`frames.py`)."""
    followed = {}  # type: dict[int, Log | Unit]
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "file":
            index, mode, path = rest.split(" ", 2)
            followed[int(index)] = Log(int(index), mode, os.path.expanduser(path))
        elif word == "unit":
            index, cursor, name = rest.split(" ", 2)
            followed[int(index)] = Unit(int(index), cursor, name)
        elif word == "done":
            index, key, mtime, head, head_hash = rest.split(" ")
            log = followed[int(index)]
            assert isinstance(log, Log)
            log.known.append((key, int(mtime), int(head), head_hash))
        elif word == "gen":
            index, key, offset, seen, mtime, head, head_hash, near, near_hash = rest.split(" ")
            log = followed[int(index)]
            assert isinstance(log, Log)
            gen = Gen(log.next, None, int(offset))
            gen.key, gen.seen, gen.mtime = key, int(seen), int(mtime)
            gen.marks = (int(head), head_hash, int(near), near_hash)
            log.add(gen)
    return [followed[index] for index in sorted(followed)]


def orders() -> "list[str]":
    """The lines on standard input up to `go`. Raises EOFError."""
    data = b""
    while not data.endswith(b"\ngo\n"):
        more = os.read(0, 65536)
        if not more:
            raise EOFError
        data += more
    return data.decode("utf-8", "surrogateescape").split("\n")[:-2]


def main() -> None:
    """Tell what comes in all of them, until standard input ends. Raises BrokenPipeError when nobody listens."""
    followed = configure(orders())
    beaten, silent = 0.0, 0
    while True:
        moved = False
        for one in followed:
            moved = one.turn() or moved
        now = time.monotonic()
        if now - beaten > BEAT:
            say("P {:.3f}".format(time.time()))
            beaten = now
        silent = 0 if moved else silent + 1
        # A little rest in a flood too: fewer and larger frames cost both sides less.
        pause = 0.005 if moved else SLEEPS[silent > 50]
        if select.select([0], [], [], pause)[0] and not os.read(0, 4096):
            return


if __name__ != "cockpit.hosts.agent.follow":
    try:
        main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        sys.exit(0)
