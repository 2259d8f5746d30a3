from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cockpit.hosts.pool import HostPool
from cockpit.lab import Lab
from tests.hosts.told import Told, hosts_of, pooled


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with Lab.start(tmp_path / "lab", ("osf",), traffic=False) as running:
        yield running


@pytest_asyncio.fixture
async def told(tmp_path: Path) -> Told:
    folder = tmp_path / "raw"
    folder.mkdir()
    return Told(folder)


@pytest_asyncio.fixture
async def pool(lab: Lab, told: Told) -> AsyncIterator[HostPool]:
    async with pooled(hosts_of(lab), told) as running:
        yield running
