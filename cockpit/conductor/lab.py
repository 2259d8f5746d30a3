"""The demo's lab as a child of its conductor: it ends when the conductor does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from cockpit import child

ENDING = 15.0
"""Seconds that a lab has for what is on its way when it ends."""


class LabFailed(Exception):
    """The embedded lab did not come up; the sentence says why."""


class Ready(msgspec.Struct, frozen=True):
    """What the lab says when it is up."""

    plan: str
    answers: list[str] = []
    """What the demo's people answer, `SERVICE/STEP=ANSWER`, when nobody sits at a screen."""


@asynccontextmanager
async def running_lab(folder: Path, plan: str = "karl") -> AsyncIterator[Ready]:
    """Start the embedded lab in `folder` with that demo. Raises LabFailed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # What lies in the folder of whoever called us is none of ours.
        "-m",
        "cockpit.lab",
        "--folder",
        str(folder),
        "--plan",
        plan,
        "--until-stdin-closes",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        if not line:
            said = (await process.stderr.read()).decode("utf-8", "replace").strip().splitlines()
            raise LabFailed(f"the lab did not start: {said[-1] if said else 'it ended without a word'}")
        draining = [asyncio.create_task(_drain(stream)) for stream in (process.stdout, process.stderr)]
        try:
            yield msgspec.json.decode(line, type=Ready)
        finally:
            for task in draining:
                task.cancel()
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ENDING)
        except TimeoutError:
            await child.end(process)


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
