"""A cast shows in a terminal what the replay shows, and others' players play it."""

from __future__ import annotations

import bisect
import itertools
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from cockpit.cli.main import main
from cockpit.events import FAILURES, GateOpened, LogSeen, Record, RunEnded, StepMoved
from cockpit.export.cast import Head, cast
from cockpit.export.film import RATE, Camera, Shot, caption, shots
from cockpit.export.making import Source, clipped, export_cast
from cockpit.journal.reader import records
from cockpit.reduce import fold
from cockpit.replay.player import Player
from cockpit.state import RunState
from cockpit.ui.actions import Seat
from cockpit.ui.app import CockpitApp
from cockpit.ui.compose import screen
from cockpit.ui.inks import inked
from cockpit.ui.scrubber import WIDE
from cockpit.ui.view import View
from tests.export.terminals import Emulator, events, header, looks_of
from tests.report.making import HOSTILE, began, plan, service, step, told

SIZES = ((120, 40), (80, 24))


@pytest.fixture(scope="module")
def found(recording: Path) -> list[Record]:
    return list(records(recording))


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: "x".join(map(str, size)))
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    return tuple(request.param)


@pytest.fixture(scope="module")
def taken(found: list[Record], size: tuple[int, int]) -> list[Shot]:
    return list(shots(found, Camera(size=size)))


@pytest.fixture(scope="module")
def played(taken: list[Shot], size: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cast") / "night.cast"
    head = Head(size=size, title="a night", began=taken[0].now, idle=3.0)
    file.write_text("".join(cast(taken, head)), encoding="utf-8")
    return file


def test_at_each_marker_a_terminal_shows_the_screen_of_the_replay_at_that_event(
    found: list[Record], taken: list[Shot], played: Path, size: tuple[int, int]
) -> None:
    marked = [(mark, shot) for shot in taken for mark in shot.marks]
    terminal, state, done, at = Emulator(*size), RunState(), 0, 0
    seat = Seat(can_drive=False, drives=False, replay=True, moves=True)
    for _, kind, data in events(played):
        if kind == "o":
            terminal.feed(data)
            continue
        mark, shot = marked[at]
        at += 1
        assert data == mark
        if shot.seq == state.seq:
            continue  # Two markers on one shot.
        upto = bisect.bisect_right(found, shot.seq, key=lambda record: record.seq)
        state, done = fold(found[done:upto], state), upto
        bar = caption(state, shot.now, size[0], shot.marks[-1])
        lines = screen(state, View(), seat, "REPLAY", size, shot.now, bar=bar)
        wanted = looks_of((inked(line) for line in lines), size[0])
        assert terminal.text() == ["".join(sign for sign, *_ in row).rstrip() for row in wanted]
        assert terminal.looks() == wanted
    assert at == len(marked) > 70


class Stopped(Player):
    """A replay that stands at a moment of our choice."""

    moment = 0.0

    def now(self) -> float:
        return self.moment


@pytest.mark.parametrize("share", [0.2, 0.9])
async def test_the_screen_of_a_cast_is_the_one_that_the_cockpit_itself_shows_in_a_replay(
    found: list[Record], taken: list[Shot], size: tuple[int, int], share: float
) -> None:
    marked = [shot for shot in taken if shot.marks]
    shot = marked[int(len(marked) * share)]
    player = Stopped(found, at=shot.seq, playing=False)
    player.moment = shot.now
    app = CockpitApp(player)
    async with app.run_test(size=size) as pilot:
        while app.state.seq < shot.seq:
            await pilot.pause(0.02)
        app.look()
        await pilot.pause()
        theirs = app.canvas.text().split("\n")
    ours = ["".join(text for text, _ in line).rstrip() for line in shot.lines]
    differing = [y for y, (mine, other) in enumerate(zip(ours, theirs, strict=True)) if mine != other]
    bar = range(size[1] - 3 if size[0] >= WIDE else size[1] - 2, size[1] - 1)
    assert set(differing) <= set(bar), "the lines of the transport alone are others"


def test_every_step_failure_gate_and_the_end_has_its_marker_with_the_time_in_utc(
    found: list[Record], played: Path
) -> None:
    labels = [data for _, kind, data in events(played) if kind == "m"]
    assert all(re.match(r"\d\d:\d\d:\d\d UTC ", label) for label in labels)
    moves = [record.event for record in found if isinstance(record.event, StepMoved)]
    begun = [move.ref for move in moves if move.state == "running"]
    assert [label.split()[2] for label in labels if re.fullmatch(r"\S+ UTC [\w./-]+", label)] == begun
    assert sum("✗" in label for label in labels) == sum(move.state in FAILURES for move in moves) > 0
    assert sum(" gate " in label for label in labels) == sum(isinstance(r.event, GateOpened) for r in found) > 0
    assert sum(" ended: " in label for label in labels) == sum(isinstance(r.event, RunEnded) for r in found) == 1


def test_shots_are_a_tenth_of_a_second_apart_or_more_and_idle_time_is_cut(taken: list[Shot]) -> None:
    apart = [after.at - before.at for before, after in itertools.pairwise(taken)]
    assert min(apart) >= 1 / RATE - 1e-9
    assert max(apart) <= 1.0 + 1e-9
    assert taken[-1].at < 60


def test_faster_is_shorter_by_as_much(found: list[Record], taken: list[Shot]) -> None:
    fast = list(shots(found, Camera(size=(80, 24), speed=8.0)))
    assert fast[-1].at == pytest.approx(taken[-1].at / 8, abs=0.2)
    assert fast[-1].seq == taken[-1].seq == found[-1].seq


def test_both_versions_say_the_same_at_the_same_times(taken: list[Shot], size: tuple[int, int], tmp_path: Path) -> None:
    head = Head(size=size, title="a night", began=taken[0].now, idle=3.0)
    for version in (2, 3):
        lines = "".join(cast(taken[:150], head, version))
        (tmp_path / f"{version}.cast").write_text(lines, encoding="utf-8")
    two, three = (list(events(tmp_path / f"{version}.cast")) for version in (2, 3))
    assert [event[1:] for event in two] == [event[1:] for event in three]
    assert [event[0] for event in two] == pytest.approx([event[0] for event in three], abs=1e-6)
    assert header(tmp_path / "3.cast")["term"] == {
        "cols": size[0],
        "rows": size[1],
        "theme": header(tmp_path / "2.cast")["theme"],
    }


SEQUENCE = re.compile(r"\x1b\[(?:[0-9;]*[Hm]|2J|\?(?:7|25)[hl])")
SPOKEN = (
    "\x1b[31mred \x1b]52;c;aGE=\x07 \x1b]0;t\x1b\\ \x9b2J \x90q\x9c \x1bc \r\n\t\u2066\u200b\u061c 漢字\u0301 \ufffe "
    + HOSTILE
)


def hostile(found: list[Record]) -> Iterator[Record]:
    """A recording in which every log line would act on a terminal, as if nothing had made it harmless."""
    for record in found:
        event = record.event
        if isinstance(event, LogSeen):
            from msgspec.structs import replace

            record = replace(record, event=replace(event, lines=tuple(SPOKEN for _ in event.lines)))
        yield record


def test_escape_sequences_come_from_us_alone(found: list[Record]) -> None:
    camera = Camera(size=(300, 24), view=View(page="logs"), speed=16.0)
    head = Head(size=camera.size, title=SPOKEN, began=0.0, idle=3.0)
    seen = ""
    for line in cast(shots(hostile(found[:700]), camera), head):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066]", line), "JSON carries no control code"
        if line.startswith("["):
            seen += json.loads(line)[2]
    rest = SEQUENCE.sub("", seen)
    assert "·[31mred ·]52;c;aGE=·" in rest
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", rest)


def test_a_name_in_a_marker_is_text() -> None:
    night = told([began(plan(service("a", step("a/x")))), StepMoved(ref=f"a/x{SPOKEN}", attempt=1, state="running")])
    lines = list(cast(shots(night, Camera(size=(80, 24))), Head(size=(80, 24), title="", began=0.0, idle=3.0)))
    mark = next(line for line in lines if '"m"' in line)
    assert "\\u001b" not in mark
    assert len(mark) < 400


def test_a_clip_goes_from_the_first_move_of_one_step_to_the_last_of_another(recording: Path, tmp_path: Path) -> None:
    moves = [
        (record.seq, record.event.ref) for record in records(recording) if isinstance(record.event, StepMoved)
    ]  # fmt: skip
    begin = next(seq for seq, ref in moves if ref == "osf/presync")
    end = [seq for seq, ref in moves if ref == "osf/hold-mail"][-1]
    source = Source(recording)
    camera = clipped(source, Camera(size=(80, 24)), "osf/presync", "osf/hold-mail")
    assert (camera.begin, camera.end) == (begin, end)
    export_cast(source, camera, str(tmp_path / "clip.cast"), 2, force=False)
    found = list(events(tmp_path / "clip.cast"))
    assert found[0][0] == 0.0
    labels = [data for _, kind, data in found if kind == "m"]
    assert labels[0].endswith("UTC osf/presync")
    terminal = Emulator(80, 24)
    for _, kind, data in found:
        terminal.feed(data if kind == "o" else "")
    assert f"event {end} " in terminal.text()[-2]


def asciinema(*words: str, size: tuple[int, int]) -> tuple[int, str]:
    """Exit status and output of asciinema's own program on a terminal of its own."""
    parent, child = pty.openpty()
    ioctl(child, TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    program = subprocess.Popen(
        [sys.executable, "-m", "asciinema", *words], stdin=child, stdout=child, stderr=child, start_new_session=True,
        preexec_fn=lambda: ioctl(0, 0x540E, 0), env={**os.environ, "LC_ALL": "C.UTF-8", "ASCIINEMA_CONFIG_HOME": "/nonexistent"},
    )  # fmt: skip
    os.close(child)
    output = b""
    while True:
        ready, _, _ = select.select([parent], [], [], 60)
        try:
            chunk = os.read(parent, 65536) if ready else b""
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    os.close(parent)
    return program.wait(60), output.decode()


@pytest.mark.parametrize("words", [("play", "-s", "2000"), ("cat",)])
def test_asciinema_plays_it_to_the_last_screen(
    played: Path, taken: list[Shot], size: tuple[int, int], words: tuple[str, ...]
) -> None:
    status, output = asciinema(*words, str(played), size=size)
    assert status == 0, output[-500:]
    terminal = Emulator(*size)
    terminal.feed(output)
    assert terminal.looks() == looks_of(taken[-1].lines, size[0])


def test_the_command_writes_the_whole_file_or_none(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "night.cast"
    words = ["replay", str(recording), "--export", "clip", str(file), "--to", "osf/presync", "--size", "80x24"]
    assert main(words) == 0
    whole = file.read_bytes()
    assert "shots" in capsys.readouterr().err
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert file.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["film", "x"], "no export film"),
        (["clip", "x"], "--from"),
        (["cast", "x", "--size", "10x10"], "--size"),
        (["cast", "x", "--page", "moon"], "no page moon"),
        (["cast", "x", "--focus", "moon"], "no service moon"),
        (["clip", "x", "--from", "moon"], "no step moon"),
        (["clip", "x", "--from", "test-site"], "could be"),
        (["clip", "x", "--from", "9", "--to", "3"], "before it begins"),
        (["clip", "x", "--from", "999999"], "ends before event 999999"),
        (["cast", "x", "--speed", "0"], "--speed"),
        (["cast", "x", "--idle", "0"], "--idle"),
        (["cast", "no/such/folder/x"], "No such file"),
        (["svg", "."], "is a folder"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_a_sentence(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], why: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["replay", str(recording), "--export", *words]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.startswith("cockpit: ")
    assert list(tmp_path.iterdir()) == []
