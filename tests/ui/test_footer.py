"""Where time moves, the keys at the bottom are those that move it; in a past that is looked at, what is asked now is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cockpit import events as ev
from cockpit.events import Person, Record
from cockpit.intents import AnyIntent, Hold
from cockpit.picture.seen import Seen
from cockpit.reduce import fold
from cockpit.replay.player import Player
from cockpit.replay.rewind import Rewind
from cockpit.state import RunState
from cockpit.ui.app import CockpitApp
from cockpit.ui.compose import help_page
from cockpit.ui.dialogs import Ask
from cockpit.ui.footer import footer
from cockpit.ui.view import View
from cockpit.ui.wheel import Seat
from tests.engine.world import small_plan
from tests.replay.made import evening
from tests.report.making import written
from tests.ui.test_keys import app_of, shown, until

REPLAY = Seat(can_drive=False, drives=False, replay=True, moves=True)
WATCH = Seat(can_drive=False, drives=False, moves=True, guest=True)
PAST = replace(WATCH, past=True)


def read(seat: Seat, width: int, view: View | None = None) -> str:
    """The footer as text, which always fills the line."""
    text = "".join(word for word, _ in footer(RunState(), view or View(), seat, width))
    assert len(text) == width
    return text.strip()


def test_the_footer_of_a_replay_names_the_keys_of_the_transport_that_fit() -> None:
    assert read(REPLAY, 80) == "space play  ,. event  [] step  {} failure  : go to  F find  ? help  q leave"
    assert read(REPLAY, 120) == (
        "space play  ,. event  [] step  {} failure  () marker  <> speed  : go to  F find  $ end  d dns  W world  "
        "? help  q leave"
    )
    assert "V compare" in read(replace(REPLAY, compares=True), 120)


def test_the_footer_of_a_watched_run_names_what_a_watcher_can_do_then() -> None:
    assert read(WATCH, 80) == "space pause  ,. event  [] step  {} failure  H hold  C confirm  ? help  q leave"
    assert read(PAST, 80) == "$ now  space play  ,. event  [] step  {} failure  H hold  ? help  q leave"


def test_the_footer_of_a_live_run_has_help_and_leave_at_every_width() -> None:
    driver = Seat(can_drive=True, drives=True)
    assert read(driver, 80) == "n next  N on to gate  v verify  u undo  p pause  g gate  d dns  ? help  q leave"
    for width in range(40, 260):
        assert "? help  q leave" in read(driver, width, View(filter="karl" if width > 60 else ""))


@pytest.mark.parametrize("seat", [REPLAY, WATCH, PAST])
def test_no_key_of_a_driver_stands_where_time_moves_and_none_is_cut(seat: Seat) -> None:
    for width in range(40, 260):
        text = read(seat, width, View(filter="karl" if width > 60 else ""))
        assert text.endswith("q leave"), f"{width}: {text}"
        assert "…" not in text
        assert "space " in text
        assert "next" not in text
        assert "gate" not in text


def test_the_page_of_keys_names_those_of_the_transport_first_and_none_that_acts() -> None:
    for width, height in ((80, 24), (120, 40)):
        lines = ["".join(word for word, _ in line) for line in help_page(RunState(), View(), REPLAY, width, height)]
        keys = [line[:9].strip() for line in lines[1:8]]
        assert keys == ["space", ", .", "[ ]", "{ }", "( )", "< >", "0–9"]
    rest = [line[:9].strip() for line in lines[8:]]
    assert {"n", "g", "u", "!", "c", "H", "C"}.isdisjoint(rest)
    assert any("no other key acts: a replay has nothing to act with" in line for line in lines)
    watched = ["".join(word for word, _ in line) for line in help_page(RunState(), View(), WATCH, 120, 60)]
    assert {"H", "C"} <= {line[:9].strip() for line in watched}


async def test_a_replay_s_screen_has_them(recording: Path) -> None:
    async with CockpitApp(Player.of(recording, at=400, playing=False)).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app_of(pilot).state.seq == 400)
        await shown(pilot, "space play  ,. event  [] step")
        assert "on to gate" not in app_of(pilot).canvas.text()


class Conducted:
    """A conductor that tells two events, then one more of now when it is let."""

    screen, guest = 7, True

    def __init__(self, records: list[Record], last: ev.AnyEvent) -> None:
        self.records_told, self.last = records, last
        self.asked: list[AnyIntent] = []
        self.more = asyncio.Event()

    async def records(self) -> AsyncIterator[list[Record] | RunState]:
        yield fold(self.records_told)
        await self.more.wait()
        seq = self.records_told[-1].seq + 1
        yield [Record(seq=seq, utc=time.time(), mono=0.0, actor="ann", event=self.last)]
        await asyncio.Event().wait()

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        pass

    def saw(self, screen: Seen) -> None:
        pass

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        self.asked.append(intent)
        return None


@pytest.fixture
def live(tmp_path: Path) -> tuple[Conducted, Rewind]:
    """A watched run of a made evening, in which the second person is about to be asked."""
    records = evening()[:9]
    gate = small_plan(1).gates[0].id
    asked = ev.SecondAsked(gate=gate, by="ann", digest="d", until=time.time() + 50)
    sent = Conducted(records, asked)
    return sent, Rewind(sent, written(tmp_path / "journal.jsonl", records), tmp_path / "none", "bea")


async def test_a_watcher_in_the_past_is_told_what_is_asked_now_and_answers_only_from_now(
    live: tuple[Conducted, Rewind],
) -> None:
    sent, source = live
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        app, rung = app_of(pilot), []
        app.bell = lambda: rung.append(app.state.seq)  # type: ignore[method-assign]
        await until(pilot, lambda: app.state.seq == 9 and len(source.recording.timeline) == 9)
        await pilot.press("comma")
        await until(pilot, lambda: app.state.seq == 8)
        sent.more.set()
        await shown(pilot, " now  ? gate")
        assert rung == [8], "the bell rings for what is asked now"
        await pilot.press("C")
        await shown(pilot, "confirm: this screen shows the past: $ goes back to now")
        assert sent.asked == []
        await pilot.press("dollar_sign")
        await until(pilot, lambda: app.state.seq == 10)
        await shown(pilot, "C shows it")
        assert " now  ? gate" not in app.canvas.text()


async def test_a_hold_is_possible_from_any_moment_of_the_past(live: tuple[Conducted, Rewind]) -> None:
    sent, source = live
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.state.seq == 9 and len(source.recording.timeline) == 9)
        await pilot.press("space", "colon")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"#1", "enter")
        await until(pilot, lambda: app.state.seq == 1)
        # A run that had ended and was resumed: what is on the screen says nothing about now.
        app.state = replace(app.state, ended="it ended")
        await pilot.press("H")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask) and bool(pilot.app.screen.query("#ok")))
        await pilot.press(*"the copy is wrong", "enter")
        await until(pilot, lambda: bool(sent.asked))
    assert sent.asked == [Hold(reason="the copy is wrong")]
