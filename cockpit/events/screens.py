"""What was on a screen at a moment that counts."""

from __future__ import annotations

from typing import Literal

from cockpit.events.base import Event

Why = Literal["confirmed", "failed", "no return"]
"""A person confirmed something; a step went wrong; a step began after which going back loses something."""


class ScreenKept(Event, frozen=True, kw_only=True, tag="screen.kept"):
    """What a screen showed, in two files beside the journal: `FILE.svg` and `FILE.txt`."""

    why: Why
    of: str
    """What it was about: the intent and its target (`open-gate pilot-good`), or the step."""
    by: str
    """Whose screen it was."""
    shown: int
    """The last event that was on it."""
    page: str
    width: int
    height: int
    version: str
    """Of the program that painted it."""
    file: str
    bytes: int
    """Of both files together."""
    svg: str
    """BLAKE2b-16 of the picture."""
    text: str
    """BLAKE2b-16 of the text."""
    left_out: int = 0
    """Screens since the one before that came too fast, or were too large, and were not kept."""
