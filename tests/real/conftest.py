from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.rig import Rig, rigged


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig for the tests of a module; what they take from it goes on to the next test."""
    with rigged(tmp_path_factory.mktemp("rig")) as made:
        yield made


@pytest.fixture
def desk(rig: Rig) -> Iterator[Rig]:
    """The rig, with the test standing at its desk: what it connects to is there."""
    with rig.standing():
        yield rig
