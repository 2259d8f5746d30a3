"""What is known of the people of a run: the wheel offered and asked for, holds, access, and the second person's question."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.events import Who


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of these views: immutable, so that old states stay true."""


class AskedView(Data, frozen=True, kw_only=True):
    """A gate that waits for the second person; what both see. `seq` is the event that asked."""

    seq: int
    by: str
    who: Who = Who()
    plan: str = ""
    evidence: tuple[str, ...] = ()
    digest: str = ""
    until: float = 0.0
    utc: float = 0.0


class OfferView(Data, frozen=True, kw_only=True):
    """The wheel is offered to a screen, or to anyone with `to` 0, until `until`."""

    driver: str
    to: int = 0
    name: str = ""
    until: float = 0.0


class RequestView(Data, frozen=True, kw_only=True):
    """A screen asks for the wheel, until `until`."""

    screen: int
    name: str
    until: float = 0.0


class HoldView(Data, frozen=True, kw_only=True):
    """A hold: nothing new starts. `name` is what the driver types to release it."""

    seq: int
    by: str
    name: str
    reason: str
    screen: int = 0
    utc: float = 0.0


class AccessView(Data, frozen=True, kw_only=True):
    """What another account may do, since when, and who let it in."""

    uid: int
    may: Literal["watch", "confirm"] = "confirm"
    by: str = ""
    utc: float = 0.0
