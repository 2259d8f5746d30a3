"""What all tests share: the recording of a whole demo, unpacked."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of the recorded demo."""
    file = tmp_path_factory.mktemp("recording") / "journal.jsonl"
    file.write_bytes(gzip.decompress((RECORDINGS / "karl.jsonl.gz").read_bytes()))
    return file
