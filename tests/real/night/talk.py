"""Somebody in a line-based session: a game over telnet, a MUSH, anything that takes a line and answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from tests.real.night.ledger import Outcome
from tests.real.night.names import NoAnswer

PATIENCE = 10.0


class Talker:
    """One session. `greeting` are lines that are said on arriving (name and password); `line` makes the line of a number, and
    `answer` the text that the server says when it has taken it. `drops` are the moments at which a session ended that the
    talker had not ended, by the monotonic clock, with the last words of the server."""

    def __init__(self, greeting: Sequence[str] = (), line: str = "say {number}", answer: str = "{number}") -> None:
        self._greeting = greeting
        self._line = line
        self._answer = answer
        self._socket: socket.socket | None = None
        self._heard = b""
        self.where: Callable[[], tuple[str, int]] = lambda: ("127.0.0.1", 23)
        self.host = ""
        self.drops: list[tuple[float, str]] = []

    def say(self, number: int) -> tuple[Outcome, str, str]:
        """Say one numbered line; arrive first if there is no session."""
        said = False
        try:
            if self._socket is None:
                self._arrive()
            assert self._socket is not None
            self._heard = b""
            said = True
            self._socket.sendall(self._line.format(number=number).encode() + b"\r\n")
            heard = self._until(self._answer.format(number=number).encode())
            return "taken", self.host, heard[-80:].decode(errors="replace")
        except NoAnswer as error:
            return "refused", "", str(error)
        except OSError as error:
            last = self._heard[-200:].decode(errors="replace")
            if self._socket is not None:
                self.drops.append((time.monotonic(), last))
            self.leave()
            return ("unknown" if said else "refused"), self.host, f"{type(error).__name__}: {error}: {last}"

    def leave(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _arrive(self) -> None:
        self.host, port = self.where()
        self._socket = socket.create_connection((self.host, port), PATIENCE)
        self._heard = b""
        for line in self._greeting:
            self._socket.sendall(line.encode() + b"\r\n")

    def _until(self, wanted: bytes) -> bytes:
        assert self._socket is not None
        until = time.monotonic() + PATIENCE
        while wanted not in self._heard:
            self._socket.settimeout(max(0.01, until - time.monotonic()))
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionResetError("the session was ended")
            self._heard += chunk
        return self._heard
