"""Who pressed the key: marks that tmux puts into the pane's input ahead of each bound key, and how they are taken out again.

A mark is a bracketed paste that begins with the session's secret: `ESC [200~ SECRET key PID UID READONLY ESC [201~`, and the very
next character is the key that was pressed by that client (`#{client_pid}` and `#{client_uid}`, tmux(1) FORMATS). A hook's mark
is `SECRET here`: somebody came, went or changed size. Sent by one binding, mark and key reach the pane together: two
clients pressing within milliseconds are told apart each time, where tmux's activity times were wrong up to nine times of ten.
"""

from __future__ import annotations

import re

import msgspec

START, END = "\x1b[200~", "\x1b[201~"
"""What a terminal sends around pasted text."""

LONGEST = 120
"""Characters of the longest mark: so much is held back at most, until it is known what it is."""


class Hand(msgspec.Struct, frozen=True):
    """Whose hand it was: the pid of the tmux client and its account, as tmux knows it from the kernel."""

    client: int
    uid: int
    observes: bool = False
    likely: bool = False
    """It was the last one at the keys; that it was this key is not proven."""


class Pressed(msgspec.Struct, frozen=True):
    """A key of one character, and who pressed it."""

    hand: Hand
    key: str


class Changed(msgspec.Struct, frozen=True):
    """Somebody came, went, or changed the size of a terminal."""


Piece = str | Pressed | Changed


def key_mark(secret: str) -> str:
    """The mark of a key as a tmux format, in tmux's own escapes."""
    return rf"\e[200~{secret} key #{{client_pid}} #{{client_uid}} #{{client_readonly}}\e[201~"


def hook_mark(secret: str) -> str:
    """The mark of a hook, in tmux's own escapes."""
    return rf"\e[200~{secret} here\e[201~"


class Marks:
    """Takes the pane's input apart. Chunks may be cut anywhere; inside somebody's paste a mark is taken out, and its key is a
    letter of the pasted text again."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._token = re.compile(
            rf"\x1b\[200~{re.escape(secret)} (?:key (\d+) (\d*) ([01])|here)\x1b\[201~|\x1b\[20[01]~",
        )
        self._opening = f"{START}{secret} "
        self._rest = ""
        self._hand: Hand | None = None
        self._pasting = False

    @property
    def waiting(self) -> bool:
        """Whether the end of the last chunk may be the beginning of a mark, or its key has not come yet."""
        return bool(self._rest) or self._hand is not None

    def feed(self, chunk: str) -> list[Piece]:
        """The pieces of a chunk in order; text that begins no mark is passed on as it is."""
        text, self._rest = self._rest + chunk, ""
        pieces: list[Piece] = []
        while text:
            if self._hand is not None and not text.startswith(START):
                self._key(text[0], pieces)
                text = text[1:]
                continue
            found = self._token.search(text)
            if found is None or (found[0] == START and self._may_be(text[found.start() :])):
                keep = self._unfinished(text)
                self._text(text[: len(text) - keep], pieces)
                self._rest = text[len(text) - keep :]
                break
            self._text(text[: found.start()], pieces)
            self._taken(found, pieces)
            text = text[found.end() :]
        return pieces

    def release(self) -> list[Piece]:
        """Nothing more came: what was held back is no mark."""
        text, self._rest, self._hand = self._rest, "", None
        pieces: list[Piece] = []
        self._text(text, pieces)
        return pieces

    def _taken(self, found: re.Match[str], pieces: list[Piece]) -> None:
        whole = found[0]
        if whole in {START, END}:
            self._pasting = whole == START
            self._text(whole, pieces)
        elif found[1] is None:
            pieces.append(Changed())
        else:
            self._hand = Hand(int(found[1]), int(found[2] or -1), found[3] == "1")

    def _key(self, key: str, pieces: list[Piece]) -> None:
        hand, self._hand = self._hand, None
        if hand is None or self._pasting:
            self._text(key, pieces)
        else:
            pieces.append(Pressed(hand, key))

    def _text(self, text: str, pieces: list[Piece]) -> None:
        if not text:
            return
        if pieces and isinstance(pieces[-1], str):
            pieces[-1] += text
        else:
            pieces.append(text)

    def _unfinished(self, text: str) -> int:
        """Characters at the end that may be the beginning of more."""
        start = text.find("\x1b", max(0, len(text) - LONGEST))
        while start >= 0:
            if self._may_be(text[start:]):
                return len(text) - start
            start = text.find("\x1b", start + 1)
        return 0

    def _may_be(self, tail: str) -> bool:
        """Whether a mark, or the end of somebody's paste, may begin like this."""
        if tail.startswith(self._opening):
            return len(tail) < LONGEST
        return self._opening.startswith(tail) or END.startswith(tail)
