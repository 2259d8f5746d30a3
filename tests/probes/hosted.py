"""This machine as a host: what a probe runs on a host is run here."""

from __future__ import annotations

import asyncio
import subprocess

from cockpit.probes.context import Said


async def on_this(host: str, script: str, timeout: float) -> Said:
    """Runs what a host would run, here, as the conductor does over SSH: text on standard input."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-s", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout + 2):
            out, err = await process.communicate(script.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return Said(None, "too slow")
    return Said(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
