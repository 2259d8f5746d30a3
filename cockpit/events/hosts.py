"""Events of hosts: their links, locks, clocks and logs."""

from __future__ import annotations

from typing import Literal

from cockpit.events.base import Event


class HostSeen(Event, frozen=True, kw_only=True, tag="host.seen"):
    """A host's link, and what is so in words. `identity` is the machine's, once it is known."""

    host: str
    link: Literal["up", "down", "connecting", "silent"]
    detail: str = ""
    identity: str = ""


class HostLocked(Event, frozen=True, kw_only=True, tag="host.locked"):
    """Whose a host is. `holder` says who runs what since when; `former` whom we took it from; `lost` that it was ours."""

    host: str
    ours: bool
    holder: str = ""
    former: str = ""
    lost: bool = False


class LogSeen(Event, frozen=True, kw_only=True, tag="log.lines"):
    """Lines of a tailed file, harmless, in order. `dropped` counts lines left out of this event to bound memory."""

    host: str
    file: str
    lines: tuple[str, ...]
    raw: str = ""
    offset: int = 0
    length: int = 0
    lag: float = 0.0
    dropped: int = 0
    alarms: tuple[int, ...] = ()
    """Indexes into `lines` that match the plan's alarm."""
    position: str = ""
    """How far the log is told with this event; a tail goes on from here after a restart."""
    behind: int = 0
    """Bytes that the host had and we had not, when these came."""


class LogGap(Event, frozen=True, kw_only=True, tag="log.gap"):
    """The host itself has lost part of a log before it could be read: at least `size` bytes."""

    host: str
    file: str
    size: int = 0
    position: str = ""


class HostClock(Event, frozen=True, kw_only=True, tag="host.clock"):
    """How far a host's clock is ahead of ours, seconds, right to within `bound`; `zone` is its local time's offset from UTC."""

    host: str
    offset: float
    bound: float
    zone: int = 0
