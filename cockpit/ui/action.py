"""What an action of the registry is, and for whom it is there or not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cockpit.intents import Danger
from cockpit.state import RunState
from cockpit.ui.view import View
from cockpit.ui.wheel import Seat

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
