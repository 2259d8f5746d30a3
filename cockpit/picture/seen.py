"""What a screen tells of itself, to be kept."""

from __future__ import annotations

import msgspec

from cockpit.events.screens import Why
from cockpit.picture.ink import Span


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field that somebody typed into, at its place on the screen: what is typed may be longer than what is seen of it."""

    x: int
    y: int
    width: int
    height: int
    typed: str


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag_field="saw", tag="screen"):
    """What a screen shows, cell by cell. `lines` are spans of text and ink; the others are as in `cockpit.events.ScreenKept`."""

    why: Why
    of: str
    shown: int
    page: str
    width: int
    height: int
    version: str
    lines: tuple[tuple[Span, ...], ...]
    fields: tuple[Field, ...] = ()
