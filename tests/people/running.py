"""Headless runs of small plans without hosts, in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from cockpit.clock import SystemClock
from cockpit.conductor.assembly import Options, conduct
from cockpit.conductor.headless import Orders
from cockpit.intents import AnyIntent
from cockpit.journal.folder import RunFolder
from cockpit.plan.load import load_plan
from cockpit.state import RunState


def written(folder: Path, text: str) -> Path:
    """The plan as a file."""
    file = folder / "plan.yaml"
    file.write_text(text)
    return file


async def headless(
    folder: Path,
    text: str = "",
    *,
    first: AnyIntent | None = None,
    mode: Literal["live", "rehearsal"] = "live",
    answers: dict[str, str] | None = None,
) -> RunState:
    """Run the plan of that text (by default: the one that was written before) to its end, or go on with it. `first` is what a
    person asks for before it goes on by itself."""
    file = written(folder, text) if text else folder / "plan.yaml"
    run = folder / "run"
    run.mkdir(exist_ok=True, mode=0o700)
    orders = Orders(settle=0.0, answers=answers or {}, first=(first,) if first is not None else ())
    options = Options(mode=mode, headless=orders)
    async with asyncio.timeout(120):
        state, _ = await conduct(RunFolder(run), load_plan(file), options, SystemClock())
    return state
