"""Who is attached to the session: read from `tmux list-clients`, told as people and as one line for the status bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import msgspec

from cockpit.accounts import account_of
from cockpit.pairing.marks import Hand
from cockpit.pairing.tmux import LISTED

FIELDS = (
    *("client_pid", "client_uid", "client_width", "client_height", "client_readonly", "client_created"),
    *("client_flags", "client_name"),
)
"""In the order of a line; the name stands last, since it is a path and may hold anything."""


def list_format(version: tuple[int, int]) -> str:
    """What `list-clients -F` prints of each client. A tmux that cannot tell the account leaves it out."""
    known = (field if version >= LISTED or field != "client_uid" else "" for field in FIELDS)
    return " ".join(f"#{{{field}}}" if field else "-1" for field in known)


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """A tmux client: whose it is, how large, and whether it only looks."""

    pid: int
    uid: int
    columns: int
    rows: int
    readonly: bool
    since: float
    """UTC, seconds."""
    ignored: bool
    """Whether its size is none of the window's concern."""
    client: str
    """What tmux calls it: the path of its terminal."""
    name: str = ""

    @property
    def account(self) -> str:
        """The account's name."""
        return account(self.uid)


def account(uid: int) -> str:
    """The name of an account, or its number. -1 is a tmux that does not tell: nobody but this account reaches its socket."""
    return account_of(os.getuid() if uid < 0 else uid)


def read(listed: str, named: Callable[[int], str]) -> list[Present]:
    """The clients in the order of their coming. `named` knows the name of a client of this account by its pid, or ''; another
    account's name is the account: its own word does not count. A line that does not fit is left out."""
    found: list[Present] = []
    for line in listed.splitlines():
        parts = line.split(" ", len(FIELDS) - 1)
        try:
            pid, uid, columns, rows, readonly, since = (int(part) for part in parts[:6])
        except ValueError:
            continue
        if len(parts) < len(FIELDS):
            continue
        own = uid in {-1, os.getuid()}
        found.append(
            Present(
                pid=pid,
                uid=uid,
                columns=columns,
                rows=rows,
                readonly=bool(readonly),
                since=float(since),
                ignored="ignore-size" in parts[6].split(","),
                client=parts[7],
                name=(named(pid) if own else "") or account(uid),
            )
        )
    return sorted(found, key=lambda one: (one.since, one.pid))


def line(people: Iterable[Present]) -> str:
    """`ann 120×40 · bob 90×28 observes`: short enough for a status bar, without anything that tmux would expand."""
    words = (
        f"{one.name} {one.columns}×{one.rows}{' observes' if one.readonly else ''}" for one in people
    )  # fmt: skip
    return " · ".join(words).replace("#", "")


def whose(hand: Hand, people: Iterable[Present]) -> Present | None:
    """The client that pressed; None for one that is not listed, or not with that account."""
    found = next((one for one in people if one.pid == hand.client), None)
    return found if found is not None and hand.uid in {-1, found.uid} else None


def sure(hand: Hand, version: tuple[int, int]) -> str:
    """How it is known who pressed, for the journal."""
    how = "the last at the keys" if hand.likely else "in-band"
    return f"tmux {version[0]}.{version[1]} client pid {hand.client} account {account(hand.uid)}, {how}"
