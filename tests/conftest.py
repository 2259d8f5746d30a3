"""What all tests share: the recording of a whole demo, unpacked."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.real import stood

# How fast examples are made depends on what else this machine does.
settings.register_profile("cockpit", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("cockpit")

RECORDINGS = Path(__file__).parent / "recordings"
REAL = Path(__file__).parent / "real"
LONG = ("test_migration_", "test_kill", "test_demo")
LOST = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """All processes of a run record in one file what recipes have stood."""
    if not hasattr(config, "workerinput"):
        handle, name = tempfile.mkstemp(prefix="stood.")
        os.close(handle)
        os.environ[stood.FILE] = name


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A whole run of a module fails when a recipe no longer stands what the table says of it."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    file = Path(os.environ.pop(stood.FILE))
    run = stood.recorded(file.read_text().splitlines())
    file.unlink()
    part = config.option.keyword or config.option.markexpr or any("::" in arg for arg in config.args)
    if exitstatus or part:
        return
    if os.environ.get("COCKPIT_STOOD") == "write":
        stood.write(run)
    elif lost := stood.lost(run, stood.table()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        config.stash[LOST] = lost


def pytest_unconfigure(config: pytest.Config) -> None:
    """Why a run failed of which every test has passed is its last word."""
    if lost := config.stash.get(LOST, []):
        print(f"\nFAILED: {len(lost)} of tests/real/stood.json", *lost, sep="\n")
        print("Mend the trial; or, if it is meant so, COCKPIT_STOOD=write pytest MODULE.")


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
