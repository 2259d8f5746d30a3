"""Keys and dialogs that move in time: a moment, a search, before and after, two runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from cockpit.replay.against import compare, played
from cockpit.replay.player import Player
from cockpit.state import RunState
from cockpit.ui.app import CockpitApp
from cockpit.ui.dialogs import Ask
from cockpit.ui.versus import Versus
from tests.ui.seat import started
from tests.ui.test_keys import app_of, shown, until


@pytest.fixture
def player(recording: Path) -> Player:
    return Player.of(recording, at=400, playing=False)


async def asked(pilot: Pilot[None], text: str) -> None:
    """Until a dialog is there that says so."""
    await until(
        pilot,
        lambda: (
            isinstance(pilot.app.screen, Ask)
            and text in str(next((body.content for body in pilot.app.screen.query("#dialog-body").results(Static)), ""))
        ),
    )


async def there(pilot: Pilot[None], seq: int) -> None:
    await until(pilot, lambda: app_of(pilot).state.seq == seq)


async def test_a_moment_is_asked_for_and_a_wrong_one_answered_with_a_sentence(player: Player) -> None:
    async with CockpitApp(player).run_test(size=(130, 40)) as pilot:
        await there(pilot, 400)
        await pilot.press("colon")
        await asked(pilot, "1h30s from the beginning")
        await pilot.press(*"#99999", "enter")
        await asked(pilot, "There is no event 99999: the recording ends with event ")
        await pilot.press("home", "ctrl+k", *"osf/dns", "enter")
        await until(pilot, lambda: app_of(pilot).state.seq > 400 or app_of(pilot).state.seq < 400)
        app = app_of(pilot)
        await until(pilot, lambda: app.state.step("osf/dns").state == "running")
        assert app.state.step("osf/dns").seq == app.state.seq


async def test_a_search_leads_to_the_page_and_the_line_of_each_hit(player: Player) -> None:
    async with CockpitApp(player).run_test(size=(130, 40)) as pilot:
        await there(pilot, 400)
        await pilot.press("F")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"no straggler in", "enter")
        await shown(pilot, " hits")
        app = app_of(pilot)
        search = player.transport.search
        assert search is not None
        search.wait()
        await pilot.press("plus")
        await until(pilot, lambda: app.view.page == "service" and app.view.step == "osf/stragglers")
        hit = next(hit for hit in search.hits if hit.seq > 400)
        await there(pilot, hit.seq)
        await shown(pilot, f" * {hit.where}: no straggler in")
        await shown(pilot, "│ no straggler in var/mail/osf")
        first = app.state.seq
        await pilot.press("minus")
        await until(pilot, lambda: app.state.seq != first or "no earlier hit" in app.canvas.text())
        await pilot.press("F")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("home", "ctrl+k", "enter")
        await until(pilot, lambda: player.transport.search is None)


async def test_before_and_after_of_a_step_stand_side_by_side_and_lead_there(player: Player) -> None:
    async with CockpitApp(player).run_test(size=(130, 44)) as pilot:
        await there(pilot, 400)
        app = app_of(pilot)
        app.look(page="service", service="osf", step="osf/promote")
        await pilot.press("x")
        await shown(pilot, "before and after")
        text = app.canvas.text()
        assert "osf/promote" in text
        assert "writer OLD" in text or "writer none" in text
        assert "≠" in text
        passage = player.transport.passage("osf/promote")
        assert passage is not None
        seqs = player.recording.timeline.seqs
        await pilot.press("left", "enter")
        await there(pilot, seqs[passage.first - 1])
        assert app.state.step("osf/promote").state == "blocked"
        await pilot.press("x")
        await shown(pilot, "before and after")
        await pilot.press("right", "enter")
        await there(pilot, seqs[passage.last])
        assert app.state.step("osf/promote").state == "done"
        await pilot.press("x")
        await shown(pilot, "before and after")
        await pilot.press("up")
        await until(pilot, lambda: app.view.step == "osf/final-sync" and " osf/final-sync " in app.canvas.text())


async def test_two_runs_are_a_page_whose_rows_lead_to_their_steps(player: Player) -> None:
    one = played(player.recording.state_after(player.recording.total) or RunState(), player.recording.timeline)
    app = CockpitApp(player)
    app.asides["versus"] = Versus(compare(one, one))
    async with app.run_test(size=(130, 40)) as pilot:
        await there(pilot, 400)
        await pilot.press("V")
        await shown(pilot, "every step came out the same")
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.view.page == "service")
        second = list(one.lives)[1]
        assert app.view.step == second
        await until(pilot, lambda: app.state.step(second).seq == app.state.seq)


async def test_a_live_screen_says_where_time_can_be_moved() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        for key, label in (("colon", "go to"), ("F", "find"), ("x", "before, after")):
            await pilot.press(key)
            await shown(pilot, f"{label}: time moves in `cockpit watch` and `cockpit replay`")
        await pilot.press("V")
        await shown(pilot, "compare: needs `replay --against OTHER`")
        await pilot.press("exclamation_mark")
        await shown(pilot, "PANIC")
    await source.rig.kill()
