"""Mailboxes on a host, read on from where the last reading ended: what lies in them, and messages of our own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.resources import files

import msgspec
from msgspec.structs import replace

from cockpit.plan.script import exports
from cockpit.plan.watched import Mailbox
from cockpit.probes.context import OnHost
from cockpit.probes.mail.received import fields
from cockpit.text import harmless

WINDOW = 1 << 26
"""Bytes of an mbox that one reading takes at the most; the next one goes on there."""
TOKEN = "x-cutover-token"
ABSENT = "there is none"
"""The trouble of a mailbox that is not there: it may come to be with the first message."""

_READ = re.compile(r"read (\d{1,16}) (\d{1,16}) ([01]) (\d{1,12}) (\d{1,12}) (\d{1,12})")
_MBOX = re.compile(r"mbox (\d{1,20}) (\d{1,16}) (\d{1,10}:\d{1,10})")
_MAILDIR = re.compile(r"maildir (\d{1,12}) (\d{1,12}) (\d{1,12})")


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far an mbox is read, and what was counted so far. `offset` -1 begins at its end."""

    offset: int = 0
    inode: str = "0"
    blank: str = "1"
    print: str = ""
    size: int = 0
    count: int = 0
    since: int = 0
    newest: float = 0.0


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a mailbox. `count` is -1 when that is not known; `trouble` then says why. `ours` are headers of messages of
    our own that were found now, by token."""

    count: int = -1
    since: int = 0
    newest: float = 0.0
    trouble: str = ""
    ours: dict[str, str] = {}


class Box:
    """One mailbox. `whole` counts what was there before; else an mbox is read from its present end on."""

    def __init__(self, box: Mailbox, *, whole: bool) -> None:
        self._box = box
        self._whole = whole
        self._at = Position(offset=0 if whole else -1)
        self._known = False
        self._began = ""

    async def look(
        self, on_host: OnHost, timeout: float, *, elapsed: float = 0.0, tokens: Sequence[str] = (), recent: int = 0
    ) -> Look:
        """Read it. `elapsed` is the seconds since the run began; `tokens` the messages of our own that are looked for, and
        `recent` the minutes in which they may have come."""
        said = await on_host(self._box.host, self._script(elapsed, tokens, recent), timeout)
        if said.exit is None:
            return Look(trouble=harmless(said.out.strip(), 200) or "the host could not be asked")
        found = re.search(r"^began (-?\d{1,12})$", said.out, re.MULTILINE)
        self._began = found[1] if found is not None else self._began
        look, at = read(said.out, self._at, self._known)
        if at is not None:
            self._at = at
        self._known = self._known or look.count >= 0
        if not look.trouble:
            return look
        return replace(
            look, trouble=look.trouble + (f": {harmless(said.err.strip(), 120)}" if said.err.strip() else "")
        )

    def _script(self, elapsed: float, tokens: Sequence[str], recent: int) -> str:
        at = self._at
        given = {
            "path": self._box.path,
            "began": self._began,
            "elapsed": str(math.ceil(elapsed)),
            "tokens": "\n".join(f"X-Cutover-Token: {token}" for token in tokens),
            "recent": str(recent if tokens else 0),
            "window": str(WINDOW),
            "offset": str(at.offset),
            "inode": at.inode,
            "blank": at.blank,
            "print": at.print,
        }
        return exports(given) + files("cockpit.probes.mail").joinpath("mailbox.sh").read_text(encoding="utf-8")


def read(out: str, at: Position, known: bool) -> tuple[Look, Position | None]:
    """What the script printed, and the position behind it (None: as before). `known` says that the mailbox was there already:
    one that then vanishes is empty, one that was never there cannot be told from a wrong path. Never raises."""
    lines = out.split("\n")
    ours = messages(lines)
    told = next((line for line in lines if line.startswith(("maildir ", "read ", "absent", "unreadable "))), "")
    if found := _MAILDIR.fullmatch(told):
        return Look(count=int(found[1]), since=int(found[2]), newest=float(found[3]), ours=ours), at
    if told == "absent":
        # Some servers remove an mbox with its last message. What comes to be there is read from its beginning.
        gone = Look(count=0, since=at.since, newest=at.newest) if known else Look(trouble=ABSENT)
        return gone, Position(since=at.since, newest=at.newest)
    if told.startswith("unreadable "):
        return Look(trouble=harmless(told.partition(" ")[2], 200)), None
    found = _READ.fullmatch(told)
    file = next((match for line in lines if (match := _MBOX.fullmatch(line))), None)
    if found is None or file is None:
        return Look(trouble="what the host says of it was not understood"), None
    start, end = int(found[1]), int(found[2])
    on = at.offset < 0 or start == at.offset
    now = Position(
        offset=end,
        inode=file[1],
        blank=found[3],
        print=file[3],
        size=int(file[2]),
        count=int(found[4]) + (at.count if on else 0),
        since=int(found[5]) + (at.since if on else 0),
        newest=max(float(found[6]), at.newest if on else 0.0),
    )
    if end + WINDOW // 2 < now.size:
        behind = now.size - end
        return Look(trouble=f"it is still being counted, {behind >> 20} MiB are left", ours=ours), now
    return Look(count=now.count, since=now.since, newest=now.newest, ours=ours), now


def messages(lines: list[str]) -> dict[str, str]:
    """The headers of messages of our own that the script printed, by their token."""
    found: dict[str, str] = {}
    header: list[str] = []
    for line in lines:
        if line.startswith("h "):
            header.append(line[2:])
        elif line == "." and header:
            text = "\n".join(header)
            token = next((value for name, value in fields(text) if name == TOKEN), "")
            if re.fullmatch(r"[0-9a-z-]{8,64}", token):
                found[token] = text
            header = []
    return found
