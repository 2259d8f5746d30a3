"""From a key to the answer on both terminals of a shared session: Escape, and keys; beside plain tmux that runs `cat`."""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.pairing.people import Person, table, until

TARGET = 150.0
"""Milliseconds within which Escape has answered, on both terminals, each time."""

ROUNDS = 40


def answer(pressed: Person, keys: str, others: tuple[Person, ...]) -> tuple[float, float]:
    """Milliseconds until the terminal that pressed, and until the last of all, was painted on."""
    for person in (pressed, *others):
        person.picture(0.25)
    waiting = {person.terminal.descriptor: person for person in (pressed, *others)}
    own = last = 0.0
    began = time.perf_counter()
    pressed.types(keys)
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 5.0)
        if not ready:
            raise TimeoutError(f"nothing answered {keys!r}")
        now = (time.perf_counter() - began) * 1000
        for descriptor in ready:
            person = waiting.pop(descriptor)
            last = now
            own = now if person is pressed else own
    return own, last


def told(name: str, taken: list[tuple[float, float]]) -> float:
    """Print a row; the longest time of all."""
    own, last = [one for one, _ in taken], [other for _, other in taken]
    print(f"{name:<34}{statistics.median(own):>8.1f}{max(own):>8.1f}{statistics.median(last):>12.1f}{max(last):>8.1f}")
    return max(last)


def measure(rounds: int = 0) -> bool:
    """Print medians and maxima in ms; whether Escape was always answered in time."""
    count = rounds or ROUNDS
    print(f"{'':<34}{'own':>8}{'max':>8}{'all':>12}{'max':>8}   ms")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, table(Path(folder)) as there:
        ann, bob = there.joins("ann", (120, 40)), there.joins("bob", (100, 30))
        ann.sees("ready: copy")
        keys, escapes = [], []
        for number in range(count):
            pressed, other = (ann, bob) if number % 2 else (bob, ann)
            keys.append(answer(pressed, "d", (other,)))
            escapes.append(answer(pressed, "\x1b", (other,)))
        told("cockpit pair: a key (d)", keys)
        longest = told("cockpit pair: Escape", escapes)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        socket = str(Path(folder) / "plain")
        begin = ["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-s", "plain", "stty raw -echo; exec cat -v"]
        one = Person(begin, (120, 40))
        until(lambda: "plain" in "\n".join(one.picture()), what="plain tmux")
        two = Person(["tmux", "-S", socket, "attach"], (100, 30))
        two.picture(1.0)
        try:
            told("plain tmux, cat: a key (x)", [answer(one, "x", (two,)) for _ in range(count)])
            told("plain tmux, cat: Escape", [answer(one, "\x1b", (two,)) for _ in range(count)])
        finally:
            for person in (one, two):
                person.close()
            subprocess.run(
                ["tmux", "-S", socket, "kill-server"], capture_output=True, check=False, env=dict(os.environ)
            )
    print(f"Escape answered within {longest:.0f} ms each time; wanted: {TARGET:.0f}")
    return longest <= TARGET
