"""Whether something else has its turn on the loop meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def turning() -> AsyncIterator[Callable[[], int]]:
    """Give a function that tells how often something else, which wants a turn a hundred times a second, had it so far."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    other = asyncio.create_task(turn())
    try:
        yield lambda: turns
    finally:
        other.cancel()
