"""Whatever befell a journal: it opens with a sentence that says what is wrong and where, and what can be read is shown."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cockpit.cli.main import main
from cockpit.events import Record
from cockpit.journal import line as lines
from cockpit.journal.opening import JournalUnreadable, reading
from cockpit.journal.reader import JournalDamaged, mend
from cockpit.journal.salvage import Salvage
from cockpit.reduce import fold
from cockpit.replay.index import index
from cockpit.replay.player import Player
from cockpit.replay.recording import Recording
from cockpit.replay.stores import FileStore
from cockpit.replay.timeline import timeline
from cockpit.ui.actions import Seat
from cockpit.ui.app import CockpitApp
from cockpit.ui.compose import screen
from cockpit.ui.scrubber import Scrubber
from cockpit.ui.view import View
from tests.journal.damaging import BESIDE, GATE, KINDS, Kind, night
from tests.report.making import encoded

RUN = "20261121-071112-a-night-7cbb"


@contextmanager
def nobody() -> Iterator[None]:
    """An account that may not read what is not its own."""
    own = os.getresuid()
    if own[1] == 0:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(*own)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the only run is, or will be; any account may look."""
    runs = tmp_path / "runs"
    runs.mkdir()
    for path in (runs, *runs.parents):
        if path.parent == path or path.stat().st_mode & 0o1000 or path.stat().st_uid != os.geteuid():
            break
        path.chmod(0o755 if path == runs else 0o711)
    monkeypatch.setenv("COCKPIT_RUNS", str(runs))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.chdir(tmp_path)
    return runs / RUN


def read(journal: Path) -> tuple[list[Record], Salvage]:
    salvage = Salvage(journal)
    return list(salvage.records()), salvage


def indexed(journal: Path) -> list[int]:
    with reading(journal) as (descriptor, size):
        return [seq for piece in index(descriptor, size) for seq in memoryview(piece.seqs).cast("q")]


def shown(player: Player, count: int) -> str:
    """The screen's text after so many events."""
    state = player.recording.state_after(count)
    assert state is not None
    seat = Seat(can_drive=False, drives=False, replay=True)
    bar = Scrubber().lines(player.transport.reading, 200)
    found = screen(state, View(), seat, "REPLAY", (200, 40), player.now(), bar=bar)
    return "\n".join("".join(text for text, _ in line) for line in found)


@pytest.mark.parametrize("kind", KINDS + BESIDE, ids=lambda kind: kind.name)
def test_every_damage_is_said_with_its_place_and_the_rest_is_shown(
    kind: Kind, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind.make(folder)
    journal = folder / "journal.jsonl"
    said = kind.sentence.replace("{frames}", str(folder / "keyframes.jsonl")).replace("{}", str(journal))
    whole_file = kind.events < 0
    with nobody() if "may not be read" in kind.name else nullcontext():
        # On the screen.
        if whole_file:
            with pytest.raises(JournalUnreadable) as caught:
                Recording.open(journal)
            assert str(caught.value) == said
        else:
            records, salvage = read(journal)
            assert len(records) == kind.events
            assert indexed(journal) == [record.seq for record in records]
            player = Player.of(journal, playing=False)
            try:
                while not player.recording.known.done:
                    time.sleep(0.01)
                assert len(player.recording.timeline) == kind.events
                if kind.events:
                    text = shown(player, kind.events)
                    assert "REPLAY" in text
                    first = (salvage.sentences() or [said])[0]
                    if first.startswith("/"):
                        assert Path(first.partition(":")[0]).name + first[first.index(":") :][:60] in text
                    assert player.recording.state_after(kind.events) == fold(records)
            finally:
                player.recording.close()
            assert salvage.whole is kind.sound
        # Without one, in the list, checked, and in the report.
        monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
        none = kind.events <= 0
        wrong = 2 if none else 0 if kind.sound else 1
        assert main(["replay", "--headless", RUN]) == wrong
        out, err = capsys.readouterr()
        beside = kind in BESIDE
        assert beside or said in out + err
        assert main(["runs"]) == 0
        listed = capsys.readouterr().out
        assert RUN in listed
        assert ("its journal cannot be read" in listed) == (
            none or ("first event" in kind.name and "older" not in kind.name)
        )
        assert main(["runs", "--verify", RUN]) == (2 if whole_file else 0 if kind.sound else 1)
        out, err = capsys.readouterr()
        assert said in out + err or "torn" in said or "event 60" in said or said == "all is well"
        assert main(["report", RUN, "-o", "report.html"]) == wrong
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert str(journal) in err or kind.sound


def test_there_are_thirty_kinds_at_least_and_no_two_are_one() -> None:
    names = [kind.name for kind in KINDS + BESIDE]
    assert len(set(names)) == len(names) >= 30


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.events > 0], ids=lambda kind: kind.name)
def test_a_run_is_resumed_behind_a_torn_tail_only(kind: Kind, folder: Path) -> None:
    kind.make(folder)
    journal = folder / "journal.jsonl"
    if kind.sound:
        found, _ = mend(journal)
        assert found.seq == kind.events
        assert read(journal)[1].torn == 0
    else:
        with pytest.raises(JournalDamaged, match=rf"{journal}:\d+: "):
            mend(journal)


async def test_the_screen_keeps_what_is_wrong_and_marks_it_on_the_scrubber(folder: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "with a changed event whose checksum is right")
    kind.make(folder)
    player = Player.of(folder / "journal.jsonl", at=30, playing=False)
    (moment,) = [moment for moment in player.recording.timeline.moments if moment.kind == "damage"]
    assert (moment.index, moment.text.startswith("line 20: event 20 (gate.opened) was changed")) == (GATE, True)
    app = CockpitApp(player)
    async with app.run_test(size=(140, 30)) as pilot:
        async with asyncio.timeout(10):
            while app.state.seq < 30:
                await pilot.pause(0.02)
        for keys in ((), ("full_stop",), ("comma",)):
            await pilot.press(*keys)
            await pilot.pause(0.15)
            assert "journal.jsonl:20: event 20 (gate.opened) was changed after it was written" in app.canvas.text()
    player.recording.close()


Change = tuple[str, int, int]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("flip", "set", "cut", "put", "line", "swap", "join")),
        st.integers(0, 1 << 30),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def befallen(data: bytes, changes: list[Change]) -> bytes:
    for what, where, value in changes:
        at = where % max(1, len(data))
        split = data.splitlines(keepends=True) or [b""]
        number = where % len(split)
        match what:
            case "flip":
                data = data[:at] + bytes([data[at] ^ (1 << value % 8)]) + data[at + 1 :] if data else data
            case "set":
                data = data[:at] + bytes([value]) + data[at + 1 :]
            case "cut":
                data = data[:at] + data[at + value :]
            case "put":
                data = data[:at] + bytes([value]) * (1 + value % 9) + data[at:]
            case "line":
                data = b"".join([*split[:number], *split[number + 1 :]])
            case "swap":
                other = value % len(split)
                split[number], split[other] = split[other], split[number]
                data = b"".join(split)
            case _:
                data = b"".join([*split[:number], split[number], *split[number:]])
    return data


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(changes=[("line", 59, 0)])
@given(changes=CHANGES)
def test_whatever_bytes_change_it_opens_and_says_so_or_is_what_it_was(tmp_path: Path, changes: list[Change]) -> None:
    records = night()
    data = b"".join(encoded(records))
    journal = tmp_path / "journal.jsonl"
    changed = befallen(data, changes)
    journal.write_bytes(changed)
    found, salvage = read(journal)
    assert indexed(journal) == [record.seq for record in found]
    store = FileStore(journal)
    try:
        assert store.records(0, len(found)) == found
        assert store.timeline.seqs == timeline(found).seqs
        assert store.timeline.shown == timeline(found).shown
    finally:
        store.close()
    assert fold(found).seq == (found[-1].seq if found else 0)
    if salvage.sentences():
        assert all(str(journal) in sentence for sentence in salvage.sentences())
    elif changed != data:
        # Only whole lines that are gone from the end leave no trace in the file itself; the head of the chain is another.
        assert data.startswith(changed)
        assert found == records[: len(found)]
        assert salvage.head != lines.head_after(list(encoded(records))[-1][:-1])
    else:
        assert found == records
