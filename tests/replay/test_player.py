"""A replay: the same states as the live run had, at any place, whatever way one gets there."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from cockpit import intents as it
from cockpit.events import Record
from cockpit.journal import keyframes
from cockpit.journal.reader import records
from cockpit.reduce import fold, reduce
from cockpit.replay import recording as recording_module
from cockpit.replay.player import Player
from cockpit.replay.timeline import IDLE
from cockpit.state import RunState


class Viewer:
    """A screen that only folds."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.state = RunState()
        self.told = 0
        self._source = player.records()

    async def look(self) -> RunState:
        """The state once the player has nothing more to tell at this place."""
        while True:
            try:
                batch = await asyncio.wait_for(anext(self._source), 0.15)
            except TimeoutError:
                self._source = self.player.records()
                return self.state
            if isinstance(batch, RunState):
                self.state = batch
            else:
                self.told += len(batch)
                for record in batch:
                    self.state = reduce(self.state, record)


@pytest.fixture(scope="module")
def journal(recording: Path) -> list[Record]:
    return list(records(recording))


def at(journal: list[Record], count: int) -> RunState:
    return fold(journal[:count])


async def test_a_replay_that_begins_at_an_event_shows_what_was_so_then(journal: list[Record]) -> None:
    for seq in (1, 2, len(journal) // 2, len(journal)):
        viewer = Viewer(Player(journal, at=seq, playing=False))
        assert await viewer.look() == at(journal, seq)


async def test_any_way_to_a_place_shows_the_same_there(journal: list[Record]) -> None:
    player = Player(journal, playing=False)
    viewer = Viewer(player)
    chance = random.Random(7)
    keys = [
        "full_stop",
        "comma",
        "right_square_bracket",
        "left_square_bracket",
        "right_curly_bracket",
        "left_curly_bracket",
        *"0123456789",
    ]
    for _ in range(40):
        assert player.press(chance.choice(keys))
        state = await viewer.look()
        assert state == at(journal, max(state.seq, 1))
        player.jump(chance.randrange(1, len(journal) + 1))
        state = await viewer.look()
        assert state == at(journal, state.seq)


async def test_keys_go_to_events_steps_and_failures(journal: list[Record]) -> None:
    player = Player(journal, at=100, playing=False)
    viewer = Viewer(player)
    assert (await viewer.look()).seq == 100
    for key, seq in (("full_stop", 101), ("comma", 100), ("comma", 99)):
        player.press(key)
        assert (await viewer.look()).seq == seq
    player.press("right_curly_bracket")
    state = await viewer.look()
    failed = [step for service in state.services.values() for step in service.steps.values() if step.seq == state.seq]
    assert failed
    assert failed[0].state in {"failed", "unverified", "unknown"}
    player.press("0")
    assert (await viewer.look()).seq == 1
    player.press("9")
    late = await viewer.look()
    assert late.seq > len(journal) // 2


async def test_a_far_jump_begins_at_a_keyframe_and_shows_the_same(
    journal: list[Record], tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_bytes(recording.read_bytes())
    half = len(journal) // 2
    keyframes.append(file, at(journal, half))
    folded: list[int] = []

    def counted(state: RunState, record: Record) -> RunState:
        folded.append(record.seq)
        return reduce(state, record)

    monkeypatch.setattr(recording_module, "reduce", counted)
    player = Player.of(file, playing=False)
    viewer = Viewer(player)
    await viewer.look()
    player.jump(half + 120)
    assert await viewer.look() == at(journal, half + 120)
    assert folded == list(range(half + 1, half + 121))
    player.jump(half + 10)
    assert await viewer.look() == at(journal, half + 10)
    player.jump(10)
    assert await viewer.look() == at(journal, 10)


async def test_playing_keeps_the_run_s_own_time_and_cuts_what_is_idle(journal: list[Record]) -> None:
    first = journal[0]
    gaps = [0.0, 0.2, 0.2, 3600.0]
    utc, made = first.utc, [first]
    for seq, gap in enumerate(gaps, 2):
        utc += gap
        made.append(Record(seq=seq, utc=utc, mono=utc, actor="", event=journal[1].event))
    player = Player(made, speed=64.0)
    viewer = Viewer(player)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (await viewer.look()).seq < len(made):
        assert loop.time() - began < 5
    assert loop.time() - began < IDLE
    assert player.transport.reading.share == 1


async def test_play_at_the_end_begins_anew(journal: list[Record]) -> None:
    player = Player(journal, at=len(journal), playing=False)
    viewer = Viewer(player)
    await viewer.look()
    player.press("space")
    assert (await viewer.look()).seq < len(journal)


async def test_speed_is_bounded_and_an_unknown_key_is_not_taken(journal: list[Record]) -> None:
    player = Player(journal, playing=False)
    for _ in range(20):
        player.press("greater_than_sign")
    assert player.transport.reading.speed == 64
    for _ in range(20):
        player.press("less_than_sign")
    assert player.transport.reading.speed == 0.25
    assert not player.press("n")


async def test_a_replay_has_nothing_to_act_with(journal: list[Record]) -> None:
    player = Player(journal, playing=False)
    assert not player.can_drive
    assert await player.send(it.RunNext()) == "a replay has nothing to act with"


async def test_an_empty_journal_is_shown_as_nothing() -> None:
    player = Player([], playing=True)
    for key in ("space", "full_stop", "comma", "right_curly_bracket", "5"):
        player.press(key)
    assert await Viewer(player).look() == RunState()
    assert player.transport.reading.total == 0
