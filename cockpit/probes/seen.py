"""What a probe saw, whatever it spoke."""

from __future__ import annotations

import time

import msgspec

from cockpit.events import Certificate


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `status` is the protocol's own (HTTP, SMTP, exit status), 0 when nothing answered; `detail` says what was
    seen, and why it is not `ok`. Times in milliseconds. All text in it is harmless, but for `body`."""

    ok: bool
    status: int = 0
    ms: float = 0.0
    detail: str = ""
    via: str = ""
    """The address that answered, or the host that was asked."""
    bridged: bool = False
    body: str = ""
    """Text of the answer: a body, a banner, what a command printed. Bounded, and as the server sent it."""
    cut: bool = False
    """The answer went on after what was kept of it."""
    facts: dict[str, str] = {}
    """What else was seen, by the names that conditions have for it."""
    certificate: Certificate | None = None
    ttfb: float = 0.0
    """Until the first byte of the answer."""


def since(began: float) -> float:
    """Milliseconds since a moment of `time.monotonic`."""
    return round((time.monotonic() - began) * 1000, 2)
