"""What crosses the socket between conductor and cockpit: intents one way, the journal's own lines the other.

A client begins with a `Hello`. The conductor answers with control lines, each `{"ctl": …}`, and with journal lines exactly as
they are in the file (`{"crc": …`), from the sequence number asked for, without a gap, as long as the connection lives. A
new screen asks for the state first: then the lines begin right behind it, however long the run is already.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.intents import AnyIntent
from cockpit.state import RunState

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of the longest line taken from the peer; the first event carries the whole plan."""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a client. `token` proves the right to drive; without it the client watches."""

    name: str
    after: int = 0
    token: str = ""
    watch: bool = False
    snapshot: bool = False
    """Begin with the state of this moment; `after` does not count then."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """An intent with a number that comes back in the reply."""

    id: int
    intent: AnyIntent


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag_field="tell", tag="answer"):
    """An answer to a question, which is no intent: it is never written down. None refuses to answer."""

    id: int
    name: str
    answer: str | None


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="ctl", tag="welcome"):
    """Accepted. `drives` tells whether this client holds the wheel."""

    run: str
    head: int
    drives: bool


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="ctl", tag="reply"):
    """What became of an intent: '' when it was taken, otherwise the refusal."""

    id: int
    refusal: str


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag_field="ctl", tag="bye"):
    """The conductor ends the connection, and why."""

    reason: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="ctl", tag="snapshot"):
    """The state right after event `state.seq`; the lines behind it follow."""

    state: RunState


Control = Welcome | Reply | Bye | Snapshot
Kind = Literal["journal", "control"]


def encode(message: Hello | Ask | Tell | Control) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


_asks = msgspec.json.Decoder(Ask)
_tells = msgspec.json.Decoder(Tell)


def wanted(line: bytes) -> Ask | Tell:
    """What a screen wants. Raises msgspec.MsgspecError."""
    return _tells.decode(line) if line.startswith(b'{"tell"') else _asks.decode(line)


def kind(line: bytes) -> Kind:
    """Journal lines and control lines tell themselves apart by their first key."""
    return "journal" if line.startswith(b'{"crc"') else "control"
