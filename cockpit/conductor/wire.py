"""What crosses the socket between conductor and cockpit: intents one way, the journal's own lines the other.

A client begins with a `Hello`. The conductor answers with control lines, each `{"ctl": …}`, and with journal lines exactly as
they are in the file (`{"crc": …`), from the sequence number asked for, without a gap, as long as the connection lives. A
new screen asks for the state first: then the lines begin right behind it, however long the run is already.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.events import Person
from cockpit.intents import AnyIntent
from cockpit.picture.seen import Seen
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
    """An intent with a number that comes back in the reply.

    Where several share a screen, `by` is who pressed the key, as the screen knows it: an account's name. `sure` is how it knows,
    such as "tmux 3.4 client pid 123 account bob, in-band"; without `by` it says why it does not know."""

    id: int
    intent: AnyIntent
    by: str = ""
    sure: str = ""


class Here(msgspec.Struct, frozen=True, kw_only=True, tag_field="here", tag="size"):
    """The size of a screen, and who sits in front of it where several share it. Sent whenever that changes; no reply."""

    columns: int
    rows: int
    people: tuple[Person, ...] = ()


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag_field="tell", tag="answer"):
    """An answer to a question, which is no intent: it is never written down. None refuses to answer. `by` and `sure` are
    as in `Ask`."""

    id: int
    name: str
    answer: str | None
    by: str = ""
    sure: str = ""


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="ctl", tag="welcome"):
    """Accepted. `drives` tells whether this client holds the wheel, `screen` its number among those that are attached."""

    run: str
    head: int
    drives: bool
    screen: int = 0
    guest: bool = False
    """It came by the door for other accounts: it can never drive."""


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


def encode(message: Hello | Ask | Tell | Here | Seen | Control) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


_asks = msgspec.json.Decoder(Ask)
_tells = msgspec.json.Decoder(Tell)
_heres = msgspec.json.Decoder(Here)
_saws = msgspec.json.Decoder(Seen)

SCREEN_LIMIT = 1 << 20
"""Bytes of a screen that is taken; a full one of 500 × 150 cells has about 200 KB."""


def shows(line: bytes) -> bool:
    """Whether a line is what a screen shows. Raises msgspec.ValidationError for one that is too long."""
    found = line.startswith(b'{"saw"')
    if found and len(line) > SCREEN_LIMIT:
        raise msgspec.ValidationError("a screen of more than 1 MB")
    return found


def shown(line: bytes) -> Seen:
    """What a screen shows. Raises msgspec.MsgspecError."""
    return _saws.decode(line)


def wanted(line: bytes) -> Ask | Tell | Here:
    """What a screen wants or tells of itself. Raises msgspec.MsgspecError."""
    if line.startswith(b'{"here"'):
        return _heres.decode(line)
    return _tells.decode(line) if line.startswith(b'{"tell"') else _asks.decode(line)


def kind(line: bytes) -> Kind:
    """Journal lines and control lines tell themselves apart by their first key."""
    return "journal" if line.startswith(b'{"crc"') else "control"
