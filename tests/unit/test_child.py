"""What is started is ended, also when it talks or leaves its pipes to another."""

from __future__ import annotations

import asyncio
import time

from cockpit import child


async def started(command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_a_process_whose_pipes_are_full_is_ended() -> None:
    process = await started("exec yes")
    # So much is in the pipe and in the buffer that nothing more is read.
    await asyncio.sleep(0.3)
    async with asyncio.timeout(child.PATIENCE):
        await child.end(process)
    assert process.returncode == -9


async def test_pipes_that_another_process_holds_are_let_go_of() -> None:
    process = await started("sleep 30 & echo $!; wait")
    assert process.stdout is not None
    other = int(await process.stdout.readline())
    began = time.monotonic()
    await child.end(process)
    assert child.PATIENCE <= time.monotonic() - began < child.PATIENCE + 20
    assert process.returncode == -9
    await (await asyncio.create_subprocess_exec("kill", "-9", str(other))).wait()
