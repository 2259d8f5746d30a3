"""What all tests share: the recording of a whole demo, unpacked."""

from __future__ import annotations

import gzip
import os
from collections.abc import Generator
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).parent / "recordings"
REAL = Path(__file__).parent / "real"
LONG = ("test_migration_", "test_kill", "test_demo")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module on real hosts stay together on one worker: their hosts are started once. What takes minutes begins
    first, so that no worker is left with it at the end; two nights at the same time are more than two cores can bear."""
    for item in items:
        if REAL in item.path.parents and item.get_closest_marker("xdist_group") is None:
            group = "nights" if item.path.stem.startswith("test_migration_") else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not item.path.stem.startswith(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where all packages are there, a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("COCKPIT_CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of the recorded demo."""
    file = tmp_path_factory.mktemp("recording") / "journal.jsonl"
    file.write_bytes(gzip.decompress((RECORDINGS / "karl.jsonl.gz").read_bytes()))
    return file
