from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cockpit.lab import Lab
from cockpit.lab.stages.karl import Karl


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with Lab.open(Karl(("osf", "harbor")), tmp_path / "lab", traffic=False) as running:
        yield running
