"""A token bucket whose rate can be changed while bytes flow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Bucket:
    """`rate` is bytes a second, 0 for no limit. A change holds for the very next bytes."""

    def __init__(self, rate: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._now = now
        self._free = 0.0
        self._changed = asyncio.Event()
        self._news = asyncio.Event()

    def limit(self, rate: int) -> None:
        """Let so many bytes a second through from now on."""
        self.rate = rate
        # What was owed at the former rate is forgiven, or a raised limit would still wait.
        self._free = self._now()
        self._changed.set()
        self._news.set()

    async def news(self) -> None:
        """Wait for the next change."""
        self._news.clear()
        await self._news.wait()

    async def take(self, count: int) -> None:
        """Wait until `count` bytes may pass."""
        if not self.rate:
            return
        begin = max(self._now(), self._free)
        self._free = begin + count / self.rate
        wait = begin - self._now()
        if wait <= 0:
            return
        self._changed.clear()
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            return
