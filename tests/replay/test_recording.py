"""A long recording: found out about by a process beside the screen, and every place of it near."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.cli.replay import _wait
from cockpit.events import Record
from cockpit.journal.keyframes import EVERY, KEYFRAMES, KeyframeFile
from cockpit.journal.reader import records
from cockpit.journal.salvage import Salvage
from cockpit.reduce import reduce
from cockpit.replay import recording as recording_module
from cockpit.replay import stores
from cockpit.replay.index import COMMON
from cockpit.replay.recording import GRAIN, Recording
from cockpit.replay.survey import FRAME_EVERY, Message, survey
from cockpit.replay.timeline import Meters, moment, timeline
from cockpit.state import RunState
from tests.recordings.long import make

COUNT = 12_000


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("long"), COUNT)


@pytest.fixture(scope="module")
def told(night: Path) -> list[Record]:
    return list(records(night))


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the events that are folded from here on."""
    seen: list[int] = []

    def counted(state: RunState, record: Record) -> RunState:
        seen.append(record.seq)
        return reduce(state, record)

    monkeypatch.setattr(recording_module, "reduce", counted)
    return seen


def until(recording: Recording, share: float = 1.0) -> None:
    """Wait until the survey has told everything, or that share of its states."""
    wanted = COUNT // FRAME_EVERY * share
    store = recording._store
    assert isinstance(store, stores.FileStore)
    end = time.monotonic() + 60
    while not recording.known.done or len(store._own) < wanted:
        assert time.monotonic() < end
        time.sleep(0.01)


def same(recording: Recording, told: list[Record]) -> None:
    expected = timeline(told)
    found = recording.timeline
    assert (found.seqs, found.utc, found.shown) == (expected.seqs, expected.utc, expected.shown)
    assert found.moments == expected.moments


def test_a_long_recording_opens_with_its_beginning_and_grows_to_what_reading_all_of_it_tells(
    night: Path, told: list[Record], folded: list[int]
) -> None:
    recording = Recording.open(night)
    try:
        assert 0 < len(recording.timeline) < COUNT
        assert not recording.complete
        assert recording.condition.startswith("read ")
        assert 0.5 < recording.total / COUNT < 2
        first = recording.state_after(50)
        assert first is not None
        assert first.seq == 50
        until(recording)
        same(recording, told)
        assert recording.condition == "chain whole"
        assert recording.known.head == head_of(night)
        # Whatever the place: no seek folds more than lies between two whole states.
        chance = random.Random(3)
        wanted = dict.fromkeys(chance.sample(range(1, COUNT + 1), 40))
        states = {}
        for count in wanted:
            folded.clear()
            states[count] = recording.state_after(count)
            assert len(folded) < FRAME_EVERY
        state = RunState()
        for record in told:
            state = reduce(state, record)
            if record.seq in states:
                assert states[record.seq] == state
        # And one event back folds a few only, wherever that is.
        recording.state_after(6000)
        for count in range(5999, 5500, -1):
            folded.clear()
            assert recording.state_after(count) is not None
            assert len(folded) < (FRAME_EVERY if count % FRAME_EVERY == FRAME_EVERY - 1 else GRAIN)
    finally:
        recording.close()


def head_of(file: Path) -> str:
    salvage = Salvage(file)
    for _ in salvage.records():
        pass
    return salvage.head


def test_before_the_survey_has_come_there_a_keyframe_of_the_run_serves(
    night: Path, folded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody makes states of his own here.
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    recording = Recording.open(night)
    try:
        until(recording, 0)
        state = recording.state_after(EVERY * 2 + 30)
        assert folded == list(range(EVERY * 2 + 1, EVERY * 2 + 31))
        assert state is not None
        assert state.plan is not None
    finally:
        recording.close()


def refused(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("harm", ["dies", "cannot start"])
def test_without_the_process_beside_it_the_recording_is_read_all_the_same(
    harm: str, night: Path, told: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    if harm == "cannot start":
        monkeypatch.setattr(subprocess, "Popen", refused)
    recording = Recording.open(night)
    try:
        store = recording._store
        assert isinstance(store, stores.FileStore)
        if store._process is not None:
            os.kill(store._process.pid, signal.SIGKILL)
        until(recording, 0)
        same(recording, told)
        assert recording.condition == "chain whole"
    finally:
        recording.close()


def test_far_from_any_whole_state_one_can_change_one_s_mind(
    night: Path, folded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    monkeypatch.setattr(stores, "KeyframeFile", lambda file: stores_without(file))
    recording = Recording.open(night)
    try:
        until(recording, 0)
        asked = iter([False, False, True])
        assert recording.state_after(COUNT, lambda: next(asked)) is None
        assert len(folded) == 3 * GRAIN
        # What was folded is not lost.
        folded.clear()
        assert recording.state_after(3 * GRAIN + 1) is not None
        assert len(folded) == 1
    finally:
        recording.close()


def stores_without(file: Path) -> KeyframeFile:
    """Keyframes of a folder that has none."""
    return KeyframeFile(file.parent / "nowhere" / file.name)


def test_behind_damage_every_way_to_a_place_shows_the_same(night: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    split = night.read_bytes().splitlines(keepends=True)
    del split[7000]
    journal.write_bytes(b"".join(split))
    (tmp_path / KEYFRAMES).write_bytes(night.with_name(KEYFRAMES).read_bytes())
    recording = Recording.open(journal)
    try:
        until(recording, 0.8)
        (damage,) = recording.known.damages
        assert (damage.line, damage.kind, damage.at) == (7001, "missing", 7000)
        state = RunState()
        for record in Salvage(journal).records():
            state = reduce(state, record)
            if record.seq in {5000, 6990, 7000, 7002, 10_000, COUNT}:
                assert recording.state_after(recording.timeline.after_seq(record.seq)) == state
        assert recording.notice.startswith("journal.jsonl:7001: event 7001 is missing before event 7002")
    finally:
        recording.close()


def test_reading_changes_nothing_in_the_run_s_folder(night: Path) -> None:
    def look() -> dict[str, tuple[int, int]]:
        return {file.name: (file.stat().st_mtime_ns, file.stat().st_size) for file in night.parent.iterdir()}

    before = look()
    recording = Recording.open(night)
    until(recording, 0.2)
    recording.close()
    recording.close()
    assert look() == before


def test_kinds_that_the_index_does_not_decode_are_no_moments(told: list[Record]) -> None:
    for record in told:
        if str(record.event.__struct_config__.tag) in COMMON:
            assert moment(0, record) is None
            assert Meters().moment(0, record) is None


def test_a_file_that_becomes_shorter_while_it_is_shown_ends_earlier(night: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(night.read_bytes())
    recording = Recording.open(journal)
    try:
        until(recording, 0)
        os.truncate(journal, 1 << 20)
        assert recording.records(COUNT - 10, COUNT) == []
        assert len(recording.records(0, 10)) == 10
    finally:
        recording.close()


def test_a_file_that_cannot_be_read_to_its_end_is_told_so_and_nobody_waits_for_the_rest(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*words: object, **more: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def broken(file: Path, descriptor: int, size: int) -> Iterator[Message]:
        yield from itertools.islice(survey(file, descriptor, size), 2)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(subprocess, "Popen", no_process)
    monkeypatch.setattr(stores, "survey", broken)
    monkeypatch.setattr(threading, "excepthook", lambda gone: None)
    recording = Recording.open(night)
    try:
        store = recording._store
        assert isinstance(store, stores.FileStore)
        assert store._thread is not None
        store._thread.join(30)
        assert recording.known.done
        assert recording.total == len(recording.timeline) > 0
        assert recording.condition == "1 damage"
        assert "it cannot be read any further: Input/output error" in recording.notice
        assert recording.wait_for_an_event()
        _wait(recording)
    finally:
        recording.close()
