"""The end of a child process."""

from __future__ import annotations

import asyncio
import contextlib

PATIENCE = 5.0
"""Seconds that what holds the pipes of a killed process is waited for."""


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill it, and wait until it is gone. Nobody else may read its pipes any more.

    asyncio tells of the end of a process once its pipes have ended, too, and one that is full is read no further
    (python/cpython#119710): so they are read out here. A process that the killed one started may hold them open; then they
    are closed on this side.
    """
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(
                *(_drained(stream) for stream in (process.stdout, process.stderr) if stream is not None)
            )
            await process.wait()
    # The public interface has no way to let go of the pipes.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
