"""Exports of a damaged journal: they show what a replay of it shows, and go on from no keyframe that it does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.cli.main import main
from cockpit.export.making import NoSuchMoment, Source
from cockpit.journal.salvage import Salvage
from cockpit.replay.recording import Recording
from tests.journal.damaging import BESIDE, COUNT, KINDS, Kind

READABLE = [kind for kind in KINDS + BESIDE if kind.events > 0 and "70 MB" not in kind.name]


@pytest.mark.parametrize("kind", READABLE, ids=lambda kind: kind.name)
def test_an_export_shows_the_state_that_a_replay_shows_and_goes_on_from_there(kind: Kind, tmp_path: Path) -> None:
    kind.make(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    told = list(Salvage(journal).records())
    recording, source = Recording.open(journal), Source(journal)
    try:
        for seq in (1, 20, 21, 29, 30, 31, 40, 50, 59, COUNT):
            count = recording.timeline.after_seq(seq)
            if not count:
                with pytest.raises(NoSuchMoment):
                    source.state_at(seq)
                continue
            state, rest = source.upto(seq)
            assert state == source.state_at(seq) == recording.state_after(count), seq
            assert list(rest) == told[count:]
    finally:
        recording.close()


def test_a_moment_near_a_keyframe_folds_what_is_behind_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cockpit.export import making

    BESIDE[3].make(tmp_path / "run")  # Journal and keyframes are whole.
    source, folded = Source(tmp_path / "run" / "journal.jsonl"), []
    fold = making.reduce
    monkeypatch.setattr(making, "reduce", lambda state, record: folded.append(record.seq) or fold(state, record))
    assert source.state_at(45).seq == 45
    assert folded == [1, *range(41, 46)]


@pytest.mark.parametrize("form", ["text", "svg", "clip"])
def test_a_moment_behind_a_damaged_first_line_is_exported(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    KINDS[0].make(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    journal.write_bytes(b"x" + journal.read_bytes())
    words = ["--from", "50"] if form == "clip" else ["--at", "50"]
    assert main(["replay", "run", "--export", form, "it", *words]) == 1
    assert f"{journal}:1: " in capsys.readouterr().err
    words = "50 is the event shown" if form == "text" else "event 50"
    assert words in (tmp_path / "it").read_text()
