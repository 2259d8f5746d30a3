"""What an action of the registry is, and for whom it is there or not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cockpit.intents import Danger
from cockpit.state import RunState
from cockpit.ui.view import View


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """What this screen is: whether it may drive, whether it drives now, whether time can be moved, whether there is a second
    recording to compare with."""

    can_drive: bool
    drives: bool
    moves: bool = False
    compares: bool = False


Reason = Callable[[RunState, View, Seat], str]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """`why_not` returns '' when the action is possible, else a sentence. What `looks` asks nobody for anything: it is there on
    every screen."""

    id: str
    key: str
    label: str
    help: str
    danger: Danger = "none"
    why_not: Reason
    footer: bool = True
    looks: bool = False
