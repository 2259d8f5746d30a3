"""The one source of time. Everything that waits or stamps takes a `Clock`; tests hand in their own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Two times and a way to wait."""

    def utc(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z, for people and for comparing machines."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back, for durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""
        ...


def boot_id() -> str:
    """The machine's boot id (proc_sys_kernel(5)): another one after each start; '' where the system keeps none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class SystemClock:
    """The machine's clock."""

    def utc(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
