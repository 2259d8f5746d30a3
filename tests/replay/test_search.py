"""The search over all that was said: every line, whatever its case, and nothing that nobody said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit import events as ev
from cockpit.journal import line as lines
from cockpit.replay.player import Player
from cockpit.replay.search import Needle, Search
from cockpit.replay.timeline import timeline
from cockpit.replay.words import words
from tests.journal.damaging import KINDS, Kind
from tests.replay.made import evening, record, recording
from tests.report.making import written


def found(text: str, file: Path) -> list[tuple[int, str, str]]:
    return [(hit.seq, hit.where, hit.text) for hit in Search(text).in_file(file).wait().hits]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return written(tmp_path / "journal.jsonl", evening())


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("noqueue", [(14, "new:/var/log/mail.log", 'said "NOQUEUE: reject"')]),
        ('said "', [(14, "new:/var/log/mail.log", 'said "NOQUEUE: reject"')]),
        ("ZWÖLF ä", [(10, "s0/freeze apply output", "Zwölf Äpfel")]),
        ("no such flag", [(6, "s0/freeze failed", "s0/freeze failed no such flag")]),
        ("All Quiet", [(4, "note by ann on s0/copy", "all quiet")]),
        ("cut over", [(15, "run.ended", "1 of 1 services are cut over")]),
        ("nobody said this", []),
        ("attempt", []), ("seq", []), ("\n", []),
    ],
)  # fmt: skip
def test_what_was_said_is_found_with_its_place(journal: Path, text: str, hits: list[tuple[int, str, str]]) -> None:
    assert found(text, journal) == hits


def test_the_bytes_of_a_file_and_the_records_in_memory_give_the_same_hits(recording: Path) -> None:
    from cockpit.journal.reader import records

    told = list(records(recording))
    for text in ("post", "oxfam.karl.test", "503", "running"):
        search = Search(text).in_records(lambda first, last: told[first:last], len(told)).wait()
        file = Search(text).in_file(recording).wait()
        naive = [(one.seq, said.text) for one in told for said in words(one) if text in said.text.lower()]
        assert [(hit.seq, hit.text) for hit in search.hits] == [(hit.seq, hit.text) for hit in file.hits] == naive
        assert naive


def test_more_hits_than_are_kept_are_counted(tmp_path: Path) -> None:
    said = ev.LogSeen(host="new", file="mail.log", lines=("reject",) * 70)
    file = written(tmp_path / "journal.jsonl", recording(*((at, said) for at in range(20))))
    search = Search("reject", most=100).in_file(file).wait()
    assert (search.count, len(search.hits)) == (1400, 100)
    assert search.words == "1,400 hits, the first 100 kept"
    assert search.places(timeline(recording(*((at, said) for at in range(20))))) == [1, 2]


def test_a_damaged_line_is_passed_over_and_a_torn_tail_is_none(tmp_path: Path) -> None:
    file = written(tmp_path / "journal.jsonl", evening())
    data = file.read_bytes().replace(b"no such flag", b"no such flaw")
    file.write_bytes(data + b'{"crc":"00000000","prev":"torn all quiet')
    assert found("no such flaw", file) == []
    assert len(found("all quiet", file)) == 1


def test_a_hit_that_the_timeline_does_not_hold_yet_has_no_place_yet(journal: Path) -> None:
    search = Search("s0/freeze").in_file(journal).wait()
    half, whole = timeline(evening()[:6]), timeline(evening())
    assert search.places(timeline([])) == []
    assert [half.seqs[place] for place in search.places(half)] == [5, 6]
    assert [whole.seqs[place] for place in search.places(whole)] == [hit.seq for hit in search.hits]


def test_a_journal_whose_line_ends_were_converted_is_searched(journal: Path) -> None:
    hits = found("all quiet", journal)
    journal.write_bytes(journal.read_bytes().replace(b"\n", b"\r\n"))
    assert found("all quiet", journal) == hits != []


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.events > 0 and "70 MB" not in kind.name], ids=lambda kind: kind.name
)
def test_what_is_found_in_a_damaged_journal_is_what_is_shown_of_it(kind: Kind, tmp_path: Path) -> None:
    kind.make(tmp_path / "run")
    player = Player.of(tmp_path / "run" / "journal.jsonl", playing=False)
    try:
        shown = player.recording.records(0, kind.events)
        for text in ("bemerkt", "schön", "LINE 3", "all is well"):
            player.transport.look_for(text)
            assert player.transport.search is not None
            hits = [(hit.seq, hit.text) for hit in player.transport.search.wait().hits]
            said = [(one.seq, said.text) for one in shown for said in words(one)]
            assert hits == [one for one in said if text.lower() in one[1].lower()], text
    finally:
        player.recording.close()


def test_a_search_that_is_cancelled_looks_no_further(journal: Path) -> None:
    search = Search("quiet")
    search.cancel()
    search.in_file(journal).wait()
    assert search.done
    assert not search.hits


@given(st.text(min_size=1, max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_any_text_is_found_in_its_line(text: str, before: str, behind: str) -> None:
    one = record(1, 0, ev.Noted(text=before + text + behind))
    line, _ = lines.encode(one, lines.START)
    assert list(Needle(text).lines(line)) == [line[:-1]]
