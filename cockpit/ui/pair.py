"""A screen that several people share in tmux: who is there, who pressed the key, one who leaves, and whose copy it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cockpit.events import Person
from cockpit.pairing.marks import Hand
from cockpit.pairing.place import FOLDER_VARIABLE, Place
from cockpit.pairing.presence import Present, account, line, list_format, read, sure, whose
from cockpit.pairing.tmux import READERS_SEND, NoTmux, installed

if TYPE_CHECKING:
    from textual.driver import Driver

SLOWLY = 15.0
"""Seconds between looks at who is there, should a hook of tmux have failed to tell."""

SETTLE = 0.15
"""Seconds in which what tmux tells is told as one: a client that comes is one attachment and some changes of size."""

UNKNOWN = "one of those at the screen: no mark came with the key"
"""Why a key has no name."""


class Hears(Protocol):
    """Whom it is told who is there."""

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """The size of the screen, and who sits in front of it."""


class Pair:
    """This screen's session. `secret` is what its marks begin with."""

    def __init__(self, place: Place, version: tuple[int, int]) -> None:
        self.place = place
        self.secret = place.secret
        self.version = version
        self.people: list[Present] = []
        self._server = place.server
        self._moved = asyncio.Event()
        self._told = ""

    @classmethod
    def here(cls) -> Pair | None:
        """The session that this process is in; None outside of one, or when it cannot be read."""
        named = os.environ.get(FOLDER_VARIABLE)
        if not named:
            return None
        try:
            return cls(Place(Path(named)), installed())
        except (OSError, NoTmux):
            return None

    def changed(self) -> None:
        """A hook told that somebody came, went or changed size."""
        self._moved.set()

    @property
    def driver(self) -> type[Driver]:
        """What reads the terminal. It is needed with the first screen, not before."""
        from cockpit.ui.driver import PairDriver

        return PairDriver

    async def follow(self, hears: Hears, size: Callable[[], tuple[int, int]]) -> None:
        """Keep `people` and the status line right, and tell of changes, until cancelled."""
        while True:
            self._moved.clear()
            await self.look(hears, size())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SLOWLY):
                    await self._moved.wait()
                    await asyncio.sleep(SETTLE)

    async def look(self, hears: Hears, size: tuple[int, int]) -> None:
        """Ask tmux once who is there."""
        try:
            listed = await self._server.ask("list-clients", "-F", list_format(self.version))
        except NoTmux:
            return  # It is going, or too busy to answer: what was known stands.
        self.people = read(listed, self.place.name_of)
        for one in self.people:
            if one.readonly and not one.ignored:
                # Who was let in to look and attached without -r would make the window small for those who act.
                with contextlib.suppress(NoTmux):
                    await self._server.ask("refresh-client", "-t", one.client, "-f", "ignore-size")
        words = line(self.people)
        if words != self._told:
            with contextlib.suppress(NoTmux):
                await self._server.ask("set-option", "-g", "@here", words)
                self._told = words
        hears.here(*size, tuple(_person(one) for one in self.people))

    def name(self, hand: Hand | None) -> tuple[str, str]:
        """Who pressed, and how that is known; ('', why not) for a key without a mark."""
        if hand is None:
            return "", UNKNOWN
        found = whose(hand, self.people)
        own = found.name if found is not None else self.place.name_of(hand.client) if hand.uid == os.getuid() else ""
        return own or account(hand.uid), sure(hand, self.version)

    def refuses(self, hand: Hand | None) -> str:
        """Why a key that acts is not taken, '' when it is. Where a reader can send keys from a command line, a key without a mark
        may be a reader's."""
        if hand is None and self.version >= READERS_SEND:
            return "it did not come from a terminal of this session"
        return ""

    async def leave(self, hand: Hand | None) -> str:
        """Let the one who pressed the key go; '' when that was done, else what to do instead."""
        found = whose(hand, self.people) if hand is not None else None
        if hand is not None and found is None:
            with contextlib.suppress(NoTmux):
                listed = await self._server.ask("list-clients", "-F", list_format(self.version))
                found = whose(hand, read(listed, self.place.name_of))
        if found is None:
            return "C-b d leaves; the session goes on"
        try:
            await self._server.ask("detach-client", "-t", found.client)
        except NoTmux as error:
            return f"{error}; C-b d leaves"
        return ""

    async def copy(self, text: str, hand: Hand | None) -> str:
        """Put a text into the session's buffer, and offer it to the clipboard of the one who pressed. Says where it went."""
        found = whose(hand, self.people) if hand is not None else None
        to = ("-t", found.client) if found is not None else ()
        # Without a terminal to offer it to, -w would choose one: somebody else's clipboard is none of ours.
        words = ("load-buffer", *(("-w", *to) if to else ()), "-")
        try:
            await self._server.ask(*words, stdin=text.encode())
        except NoTmux as error:
            return f"nothing was copied: {error}"
        offered = f"; for {found.name}'s clipboard, too" if found is not None else ""
        return f"{len(text)} characters in the buffer (C-b ] pastes){offered}"


def _person(one: Present) -> Person:
    return Person(
        name=one.name,
        account=one.account,
        pid=one.pid,
        columns=one.columns,
        rows=one.rows,
        readonly=one.readonly,
        since=one.since,
    )
