"""The terminal's input inside a shared session: marks are taken out of it, and the key behind one says who pressed it."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable

from textual import constants, events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from cockpit.pairing.marks import Changed, Marks, Pressed
from cockpit.ui.hand import put

IDLE = 0.1
"""Seconds between looks at whether the program ends."""

SHORT = 0.01
"""Seconds for the rest of what has begun. tmux hands over whole keys, so nothing is lost by not waiting longer."""


class Input:
    """Chunks of the terminal's input to Textual's events; pure but for the parser's clock."""

    def __init__(self, secret: str, send: Callable[[Message], None], changed: Callable[[], None]) -> None:
        self._marks = Marks(secret)
        self._parser = XTermParser()
        self._send = send
        self._changed = changed
        self._open = False

    @property
    def waiting(self) -> bool:
        """Whether what came last may go on."""
        return self._marks.waiting or self._open

    def feed(self, text: str) -> None:
        """Take a chunk."""
        self._take(self._marks.feed(text))

    def rest(self) -> None:
        """Nothing more came: what is held back is all there is."""
        self._take(self._marks.release())
        self._close()

    def tick(self) -> None:
        """Time passes: half a sequence that nobody ends is what it is."""
        self._forward(self._parser.tick())

    def end(self) -> None:
        """The terminal is gone."""
        self._forward(self._parser.feed(""))

    def _take(self, pieces: Iterable[str | Pressed | Changed]) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                self._forward(self._parser.feed(piece))
                self._open = piece.endswith("\x1b")
            elif isinstance(piece, Changed):
                self._changed()
            else:
                self._press(piece)

    def _press(self, pressed: Pressed) -> None:
        """One whole key. An Escape before it was a key of its own, and so is this one when it is Escape."""
        self._close()
        if pressed.hand.observes:
            return
        if pressed.key == "\x1b":
            keys: list[Message] = [events.Key("escape", "\x1b")]
        else:
            keys = list(self._parser.feed(pressed.key))
        for key in keys:
            put(key, pressed.hand)
            self._send(key)

    def _close(self) -> None:
        """An Escape that the parser holds back is a key."""
        if self._open:
            time.sleep(constants.ESCAPE_DELAY)
            self._forward(self._parser.tick())
            self._open = False

    def _forward(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._send(message)


class PairDriver(LinuxDriver):
    """Textual's driver with another reader: Escape is not waited for, and marks never reach a widget."""

    def run_input_thread(self) -> None:
        """Read until the driver stops. Runs in a thread of its own."""
        pair = getattr(self._app, "pair", None)
        secret, changed = (pair.secret, pair.changed) if pair is not None else ("", lambda: None)
        loop = self._loop
        taken = Input(secret, self.process_message, lambda: _call(loop.call_soon_threadsafe, changed))
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        try:
            while not self.exit_event.is_set():
                if selector.select(SHORT if taken.waiting else IDLE):
                    data = os.read(self.fileno, 4096)
                    if not data:
                        break
                    taken.feed(decode(data))
                elif taken.waiting:
                    taken.rest()
                else:
                    taken.tick()
        except OSError:
            pass  # The pane is gone, and the screen with it.
        finally:
            selector.close()
            with contextlib.suppress(EOFError, ParseError):
                taken.end()


def _call(post: Callable[[Callable[[], None]], object], deed: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # The loop has ended: there is nobody to tell.
        post(deed)
