"""What can be wrong with a host, as exceptions that carry a sentence."""

from __future__ import annotations

import asyncssh

from cockpit.text import harmless


class Unreachable(Exception):
    """The host could not be asked; nothing is known of what it does. The sentence says why."""


class TooSlow(Unreachable):
    """The host is there, but the command did not end in its time."""


class WrongHost(Unreachable):
    """It is not the machine that the plan means. The sentence says what was expected and found."""


def why(error: BaseException) -> str:
    """What went wrong with a connection, as words for a sentence."""
    if isinstance(error, asyncssh.PermissionDenied):
        return f"it refused our key: {harmless(error.reason, 200)}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return harmless(str(error).strip() or type(error).__name__, 300)
