"""How far each host's clock is from ours: the quickest of several round trips decides, half of it is the bound."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import asyncssh

from cockpit.events import Event, HostClock
from cockpit.hosts.pool import HostPool, Unreachable, quoted

ROUNDS = 8
EVERY = 60.0
"""Seconds between two measurements."""

# Answers each line with the time. Where `date` has no %N, the second's turn is found once and the uptime counted from there
# (hundredths). First it says the zone.
_ASK = r"""
date +%z
case $(date +%N) in *[!0-9]*|'') fine=0 ;; *) fine=1 ;; esac
up() { read -r u _ </proc/uptime; u=${u%.*}${u#*.}; }
if [ $fine = 0 ]; then
    a=$(date +%s)
    while s=$(date +%s); [ "$s" = "$a" ]; do :; done
    up; base=$u
fi
echo go
while read -r _; do
    if [ $fine = 1 ]; then date +%s.%N
    else up; u=$((u - base)); echo "$((s + u / 100)).$(printf %02d $((u % 100)))"
    fi
done
"""

COARSE = 0.01
"""What the uptime cannot tell apart, seconds."""


class Clocks:
    """The offsets of the hosts that were measured."""

    def __init__(self, pool: HostPool, emit: Callable[[Event], None]) -> None:
        self._pool = pool
        self._emit = emit
        self._offset: dict[str, float] = {}

    def age(self, host: str, told: float, now: float) -> float:
        """How long ago, by our clock, the host's clock stood at `told`; seconds, never negative."""
        return max(0.0, now - told + self._offset.get(host, 0.0)) if told else 0.0

    async def keep(self, host: str) -> None:
        """Measure now and then, until cancelled."""
        while True:
            pause = 1.0
            try:
                async with asyncio.timeout(30):
                    seen = await self.measure(host)
                self._offset[host] = seen.offset
                self._emit(seen)
                pause = EVERY
            except (Unreachable, asyncssh.Error, OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
                pass
            await asyncio.sleep(pause)

    async def measure(self, host: str) -> HostClock:
        """Ask the host for its time. Raises Unreachable, asyncssh.Error, OSError, ValueError, IncompleteReadError."""
        async with self._pool[host].process(f"exec sh -c {quoted(_ASK)}") as process:
            zone = re.fullmatch(r"([+-])(\d\d)(\d\d)", (await process.stdout.readuntil(b"\n")).decode().strip())
            await process.stdout.readuntil(b"go\n")
            best = (1e9, 0.0, 0.0)
            for _ in range(ROUNDS):
                before, began = time.time(), time.monotonic()
                process.stdin.write(b"\n")
                told = (await process.stdout.readuntil(b"\n")).decode().strip()
                took = time.monotonic() - began
                coarse = COARSE if len(told.partition(".")[2]) < 3 else 0.0
                best = min(best, (took, float(told) + coarse / 2 - (before + took / 2), coarse))
        took, offset, coarse = best
        seconds = 0 if zone is None else (int(zone[2]) * 60 + int(zone[3])) * (-60 if zone[1] == "-" else 60)
        return HostClock(host=host, offset=round(offset, 6), bound=round(took / 2 + coarse, 6), zone=seconds)
