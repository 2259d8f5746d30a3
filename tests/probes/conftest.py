from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cockpit.lab import Lab
from cockpit.probes.dns.ask import Asker


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with Lab.start(tmp_path / "lab", ("osf",), traffic=False) as running:
        yield running


@pytest_asyncio.fixture
async def asker() -> AsyncIterator[Asker]:
    """Somebody who asks name servers, and in the end has no question left open."""
    async with Asker() as running:
        yield running
        assert not running.outstanding
