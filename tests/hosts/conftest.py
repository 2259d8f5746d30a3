from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cockpit.hosts.pool import HostPool
from cockpit.lab import Lab
from cockpit.lab.stages.karl import Karl
from tests.hosts.told import Told, hosts_of, pooled


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with Lab.open(Karl(("osf",)), tmp_path / "lab", traffic=False) as running:
        yield running
    # The lab cuts what still runs; its pipes are closed on this loop, not on the next one.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    if rest:
        await asyncio.wait(rest, timeout=2)
    gc.collect()


@pytest_asyncio.fixture
async def told(tmp_path: Path) -> Told:
    folder = tmp_path / "raw"
    folder.mkdir()
    return Told(folder)


@pytest_asyncio.fixture
async def pool(lab: Lab, told: Told) -> AsyncIterator[HostPool]:
    async with pooled(hosts_of(lab), told) as running:
        yield running
