from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cockpit.lab import Lab
from cockpit.lab.stages.karl import Karl
from cockpit.probes.dns.ask import Asker


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with Lab.open(Karl(("osf",)), tmp_path / "lab", traffic=False) as running:
        yield running


@pytest_asyncio.fixture
async def asker() -> AsyncIterator[Asker]:
    """Somebody who asks name servers, and in the end has no question left open."""
    async with Asker() as running:
        yield running
        assert not running.outstanding
