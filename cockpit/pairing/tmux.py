"""tmux as a program: which version is there, a server on a socket of its own, and its errors as sentences."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

OLDEST = (3, 2)
"""`client_pid` in a binding, `terminal-features`, `-f read-only`: older ones cannot do what pairing promises."""

LISTED = (3, 3)
"""From here on tmux has an access list (`server-access`) and knows a client's account (`client_uid`)."""

READERS_SEND = (3, 7)
"""From here on a command line with read access alone may `send-keys` to a pane (tmux's CHANGES)."""

INSTALL = "apt-get install tmux"

SESSION = "cockpit"
"""The name of the one session on a run's server."""


class NoTmux(Exception):
    """tmux is missing, too old, or refused; the sentence says what to do."""


def version(text: str) -> tuple[int, int]:
    """`tmux -V` as numbers: `tmux 3.3a` is (3, 3), `tmux next-3.8` is (3, 8). (0, 0) for what says no number, as a build from
    the main branch does."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def installed() -> tuple[int, int]:
    """The version of the tmux that will run. Raises NoTmux when there is none or it is too old."""
    program = shutil.which("tmux")
    if program is None:
        raise NoTmux(f"tmux is not installed, and pairing needs it: {INSTALL}")
    try:
        said = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise NoTmux(f"{program} does not start: {error}") from error
    found = version(said)
    if found == (0, 0) and "master" in said:
        return (99, 0)
    if found < OLDEST:
        raise NoTmux(f"{said or program} is too old: pairing needs tmux {OLDEST[0]}.{OLDEST[1]} or later: {INSTALL}")
    return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without what would make a tmux believe that it is inside another one."""
    kept = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
    return kept | dict(extra or {})


class Server:
    """A tmux server on its own socket. Commands come one at a time; a refusal raises NoTmux with tmux's own words."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def words(self, *command: str) -> list[str]:
        """The command line of a tmux command for this server. No user's configuration is read."""
        return ["tmux", "-u", "-S", str(self.socket), *command]

    def run(self, *command: str, extra: Mapping[str, str] | None = None) -> str:
        """Run a command; returns what it prints. Raises NoTmux."""
        try:
            done = subprocess.run(
                self.words(*command), capture_output=True, text=True, timeout=20, check=False, env=environment(extra)
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NoTmux(f"tmux does not answer: {error}") from error
        if done.returncode:
            raise NoTmux(_sentence(done.stderr, command))
        return done.stdout

    def answers(self) -> bool:
        """Whether the server is up and has its session."""
        if not self.socket.exists():
            return False
        try:
            self.run("has-session", "-t", f"={SESSION}")
        except NoTmux:
            return False
        return True

    async def ask(self, *command: str, stdin: bytes | None = None) -> str:
        """`run` for a program that must not stand still meanwhile; `stdin` is what the command reads. Raises NoTmux."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.words(*command),
                stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment(),
            )
        except OSError as error:
            raise NoTmux(f"tmux does not start: {error}") from error
        try:
            async with asyncio.timeout(5):
                out, err = await process.communicate(stdin)
        except TimeoutError as error:
            raise NoTmux("tmux does not answer within 5 s") from error
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise NoTmux(_sentence(err.decode(errors="replace"), command))
        return out.decode(errors="replace")


def _sentence(said: str, command: Sequence[str]) -> str:
    words = " ".join(said.split()) or "no reason was given"
    return f"tmux {command[0]}: {words}"
