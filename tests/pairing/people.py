"""People with terminals: each a real tmux client on a pseudo-terminal, whose picture an emulator that is not ours draws."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from cockpit.pairing import session
from cockpit.pairing.place import Place
from cockpit.pairing.tmux import SESSION, NoTmux, installed
from cockpit.ui.actions import ACTIONS
from tests.terminal import Terminal

KEYS = tuple(action.key for action in ACTIONS)


def lacking() -> str:
    """Why real sessions cannot be tried here, '' when they can."""
    try:
        installed()
    except NoTmux as error:
        return str(error)
    return ""


needs_tmux = pytest.mark.skipif(bool(lacking()), reason=lacking())


def until(holds: Callable[[], bool], seconds: float = 12.0, what: str = "it") -> None:
    """Wait for something to hold. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen")
        time.sleep(0.02)


class Person:
    """Somebody at a terminal of a size (columns, rows)."""

    def __init__(self, words: Sequence[str], size: tuple[int, int], **env: str) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        inherited = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
        self.terminal = Terminal(list(words), inherited | env, size)
        self.raw = b""
        self._closed = False

    @property
    def pid(self) -> int:
        """The process on the terminal."""
        return self.terminal.process.pid

    def types(self, keys: str) -> None:
        """Press keys, all at once."""
        self.terminal.send(keys)

    def escapes(self) -> None:
        """Press Escape, and nothing right behind it: on one terminal that would be Alt and a key."""
        self.terminal.send("\x1b")
        time.sleep(0.05)

    def picture(self, seconds: float = 0.05) -> list[str]:
        """The rows of the terminal, after taking what comes for so long."""
        self.terminal.seen = b""
        got = self.terminal.read(seconds)
        self.raw += got
        self._stream.feed(got)
        return [row.rstrip() for row in self.screen.display]

    def sees(self, text: str, seconds: float = 12.0) -> None:
        """Wait until a text stands on the terminal. Raises TimeoutError."""
        until(lambda: text in "\n".join(self.picture()), seconds, f"{text!r} on {self.screen.display}")

    def rests(self) -> list[str]:
        """The picture, once nothing has come for a while."""
        before: list[str] = []
        while (now := self.picture(0.3)) != before:
            before = now
        return now

    def gone(self, seconds: float = 10.0) -> None:
        """Wait until the program on the terminal has ended."""
        until(lambda: self.picture() is not None and self.terminal.process.poll() is not None, seconds, "leaving")

    def close(self) -> None:
        """Take the terminal away."""
        if not self._closed:
            self._closed = True
            self.terminal.close()


class Table:
    """A session with a screen in it, and the people around it."""

    def __init__(self, place: Place, log: Path) -> None:
        self.place = place
        self.server = place.server
        self._log = log
        self.people: list[Person] = []

    def joins(self, name: str, size: tuple[int, int], observe: bool = False) -> Person:
        """Somebody sits down."""
        words = self.server.words("attach-session", "-t", f"={SESSION}", *(["-r"] if observe else []))
        named = ["sh", "-c", session.REGISTERED, "sh", name, str(self.place.names), *words]
        before = self.clients()
        person = Person(named, size)
        self.people.append(person)
        until(lambda: self.clients() > before, what=f"{name} joins")
        until(lambda: any(seen["name"] == name for seen in self.present()), what=f"{name} is seen")
        return person

    def clients(self) -> int:
        """How many clients tmux counts."""
        return len(self.server.run("list-clients", "-F", "x").split())

    def size(self) -> str:
        """The window's size."""
        return self.server.run("display-message", "-p", "-t", SESSION, "#{window_width}x#{window_height}").strip()

    def log(self) -> list[dict[str, object]]:
        """What the screen has sent and told, in order."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.endswith("}")]

    def sent(self) -> list[dict[str, object]]:
        """The intents."""
        return [line for line in self.log() if "intent" in line]

    def present(self) -> list[dict[str, object]]:
        """Who is there, as the screen told last."""
        told = [line["people"] for line in self.log() if "people" in line]
        return list(told[-1]) if told else []  # type: ignore[call-overload]

    def told(self) -> tuple[object, object] | None:
        """Columns and rows of the screen, as it told last."""
        sizes = [(line["columns"], line["rows"]) for line in self.log() if "columns" in line]
        return sizes[-1] if sizes else None

    def close(self) -> None:
        """Everybody leaves, and the table is cleared."""
        for person in self.people:
            person.close()
        if self.server.answers():
            session.end(self.place)
        shutil.rmtree(self.place.path, ignore_errors=True)


@contextmanager
def table(folder: Path, *, keeper: bool = False) -> Iterator[Table]:
    """The real screen over the engine in memory, in a real session; what it sends is in a file. The shell that it comes from has
    exported a size, as some do, which is none of this terminal's."""
    place = Place(folder / "pair")
    log = folder / "sent.jsonl"
    pane = [
        "env",
        "COLUMNS=80",
        "LINES=24",
        sys.executable,
        "-m",
        "tests.pairing.scene",
        str(log),
        *(["keep"] if keeper else []),
    ]
    session.begin(place, folder, KEYS, pane, installed(), (120, 40))
    there = Table(place, log)
    try:
        until(lambda: bool(there.log()), what="the screen")
        yield there
    finally:
        there.close()
