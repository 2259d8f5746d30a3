"""What is news to a screen, and what is history that it catches up with."""

from __future__ import annotations

from cockpit.events import Record

NEWS = 2.0
"""Seconds after which an event is history: no bell rings for it, and nobody has seen the screen that it made."""


def is_news(record: Record, now: float) -> bool:
    """Whether an event is of this moment."""
    return abs(now - record.utc) < NEWS
