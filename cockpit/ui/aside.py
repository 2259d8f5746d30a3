"""Pages that show more than the state of the moment, and have keys of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cockpit.state import RunState
from cockpit.ui.paint import Line
from cockpit.ui.view import View

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp


class Aside(Protocol):
    """Such a page."""

    def paint(self, state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
        """Its lines, exactly `height` of them."""
        ...

    def press(self, app: CockpitApp, key: str) -> bool:
        """Take a key; False for one that means nothing here."""
        ...
