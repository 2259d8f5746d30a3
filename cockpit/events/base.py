"""The base of all events."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """Base of all events."""


class Unknown(Event, frozen=True, kw_only=True, tag="unknown"):
    """An event of another version: kept and shown."""

    name: str
    raw: str
