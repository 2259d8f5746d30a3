"""How often a server is asked, whatever a plan watches: hundreds of record sets must not look like an attack."""

from __future__ import annotations

from cockpit.clock import Clock

PER_SERVER = 50.0
"""Questions a second to one server, at the most."""
BURST = 25
"""Questions that may go at once after a pause."""


class Pace:
    """Gives each question to a server its turn (GCRA: a bucket that leaks, without a task to leak it)."""

    def __init__(self, clock: Clock, rate: float = PER_SERVER, burst: int = BURST) -> None:
        self._clock = clock
        self._gap = 1 / rate
        self._slack = burst * self._gap
        self._next: dict[str, float] = {}

    async def turn(self, server: str) -> None:
        """Wait until the server may be asked."""
        now = self._clock.monotonic()
        at = max(self._next.get(server, 0.0), now - self._slack)
        self._next[server] = at + self._gap
        if at > now:
            await self._clock.sleep(at - now)
