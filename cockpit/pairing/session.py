"""A run's tmux session: begun, found, gone into, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cockpit.pairing.config import configuration
from cockpit.pairing.place import FOLDER_VARIABLE, Place, clear, made, new_secret, tidy
from cockpit.pairing.tmux import SESSION, NoTmux, Server, environment

ESCAPE = "10"
"""Milliseconds for which the screen waits whether an Escape goes on ($ESCDELAY). tmux hands over whole keys."""

REGISTERED = 'printf "%s\\n" "$1" >"$2/$$" && shift 2 && exec "$@"'
"""A shell that writes down the name under its own pid and becomes the client."""


def begin(
    place: Place,
    run: Path,
    keys: Iterable[str],
    pane: list[str],
    version: tuple[int, int],
    size: tuple[int, int],
) -> None:
    """Start the server with its one session, whose pane runs `pane`. Nobody is attached yet. Raises NoTmux, OSError."""
    secret = new_secret()
    made(place).keep(run, configuration(keys, secret, version), secret)
    place.socket.unlink(missing_ok=True)
    inside = {FOLDER_VARIABLE: str(place.path), "ESCDELAY": ESCAPE, "COLORTERM": "truecolor"}
    words = ("-f", str(place.config), "new-session", "-d", "-s", SESSION, "-x", str(size[0]), "-y", str(size[1]))
    try:
        place.server.run(*words, *SILENT, *pane, extra=inside)
        # Of a configuration that a tmux does not wholly understand, it says so and goes on.
        missing = [key for key in ("escape-time", "set-clipboard") if not place.server.run("show-options", "-sv", key)]
    except NoTmux:
        clear(place)
        raise
    if missing:
        raise NoTmux(f"tmux has not taken its configuration ({', '.join(missing)}); it is in {place.config}")


SILENT = ("sh", "-c", 'stty -echo; exec "$@"', "sh")
"""Runs the pane's program on a terminal that does not echo: a mark that comes before the screen is up would show its secret."""


def enter(
    server: Server, *, observe: bool, name: str = "", names: Path | None = None, tick: Callable[[], object]
) -> int:
    """Attach this terminal until it is detached or the session ends; returns tmux's exit status. `name` is written under the
    client's pid in the folder `names`, where that is ours. `tick` is called about five times a second meanwhile."""
    features = ["-T", "RGB"] if os.environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"} else []
    words = server.words(*features, "attach-session", "-t", f"={SESSION}", *(["-r"] if observe else []))
    if names is not None and os.access(names, os.W_OK):
        words = ["sh", "-c", REGISTERED, "sh", tidy(name), str(names), *words]
    client = subprocess.Popen(words, env=environment())
    while True:
        try:
            return client.wait(0.2)
        except subprocess.TimeoutExpired:
            tick()
        except KeyboardInterrupt:
            continue  # ^C is a key of the screen's.


def end(place: Place, wait: float = 5.0) -> None:
    """End the session: every terminal is given back. Raises NoTmux."""
    place.server.run("kill-session", "-t", f"={SESSION}")
    until = time.monotonic() + wait
    while place.server.answers() and time.monotonic() < until:
        time.sleep(0.05)
    clear(place)


def own_words(*words: str) -> list[str]:
    """A command line of this program, whatever is in the folder that it is called from."""
    return [sys.executable, "-P", "-m", "cockpit", *words]


def nested() -> str:
    """How to leave, for a terminal that is inside another tmux already; '' for one that is not."""
    if not os.environ.get("TMUX"):
        return ""
    try:
        done = subprocess.run(
            ["tmux", "show-options", "-gv", "prefix"], capture_output=True, text=True, timeout=5, check=False
        )
        outer = done.stdout.strip() or "C-b"
    except (OSError, subprocess.SubprocessError):
        outer = "C-b"
    if outer == "C-b":
        return "This terminal is inside another tmux, which takes C-b first: C-b C-b d leaves this session, C-b d that one."
    return f"This terminal is inside another tmux with the prefix {outer}: C-b d leaves this session."
