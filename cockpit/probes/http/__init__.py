"""HTTP requests pinned to an address. The only package that knows httpx and the httpcore below it."""

from __future__ import annotations

from cockpit.probes.http.content import BODY_LIMIT
from cockpit.probes.http.prober import HttpProber
from cockpit.probes.http.seen import Seen

__all__ = ["BODY_LIMIT", "HttpProber", "Seen"]
