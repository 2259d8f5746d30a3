"""The keys: each does what its help says, asks first where that is due, and says why not where it is off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Static

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import StepMoved
from cockpit.journal.reader import records
from cockpit.replay.player import Player
from cockpit.ui.actions import ACTIONS, key_word
from cockpit.ui.app import CockpitApp, rings
from cockpit.ui.dialogs import Ask, Choose
from tests.ui.seat import RigSource, started


async def until(pilot: Pilot[None], holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await pilot.pause(0.02)


def app_of(pilot: Pilot[None]) -> CockpitApp:
    assert isinstance(pilot.app, CockpitApp)
    return pilot.app


async def shown(pilot: Pilot[None], text: str) -> None:
    app = app_of(pilot)
    await until(pilot, lambda: text in app.canvas.text())


async def shown_in_dialog(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in str(pilot.app.screen.query_one("#dialog-body", Static).content))


def states(source: RigSource, service: str) -> list[str]:
    return [step.state for step in source.rig.state.services[service].steps.values()]


async def test_one_client_is_cut_over_and_back_by_keys_alone() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("n")
        await until(pilot, lambda: states(source, "s0")[0] == "done")
        await pilot.press("b")
        await until(pilot, lambda: rules.complete(source.rig.state, "s0"))
        await shown(pilot, "all done")
        for ref in ("s0/check", "s0/switch", "s0/sync", "s0/freeze", "s0/copy"):
            await until(pilot, lambda ref=ref: rules.undo_target(app_of(pilot).state, "s0") == ref)  # type: ignore[misc]
            await pilot.press("u")
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask | Choose))
            if isinstance(pilot.app.screen, Choose):
                assert pilot.app.screen.focused is pilot.app.screen.query_one("#cancel")
                await pilot.press("tab", "enter")
            else:
                await pilot.press("s", "0", "enter")
            await until(pilot, lambda ref=ref: source.rig.state.step(ref).state == "undone")  # type: ignore[misc]
        assert source.rig.world.writers["s0"] == {"old"}
    await source.rig.kill()


async def test_a_gate_stays_closed_when_its_dialog_is_left() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("b")
        await until(pilot, lambda: rules.complete(source.rig.state, "s0"))
        await until(pilot, lambda: rules.complete(app_of(pilot).state, "s0"))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await shown_in_dialog(pilot, "It does not hold: ")
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert not source.rig.state.gates["pilot-good"].open
        assert not any(isinstance(intent, it.OpenGate) for intent in source.sent)
    await source.rig.kill()


async def test_a_held_run_says_so_before_a_gate_s_name_is_typed() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        assert await source.rig.submit(it.Hold(reason="errors on s0")) == ""
        await shown(pilot, "HELD")
        for key, label in (("g", "gate"), ("a", "abort")):
            await pilot.press(key)
            await shown(pilot, f"{label}: tom holds: errors on s0")
            assert len(pilot.app.screen_stack) == 1, "no dialog is opened"
    await source.rig.kill()


async def test_an_override_needs_its_reason_and_then_the_name() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("b")
        await until(pilot, lambda: rules.complete(app_of(pilot).state, "s0"))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert isinstance(pilot.app.screen, Ask), "an empty reason is none"
        await pilot.press(*"seen by eye", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask) and bool(pilot.app.screen._exact))
        dialog = pilot.app.screen
        assert dialog.focused is dialog.query_one("#cancel")
        await pilot.press(*"pilot-goo", "enter")
        await pilot.pause(0.1)
        assert not source.rig.state.gates["pilot-good"].open
        await pilot.press("d", "enter")
        await until(pilot, lambda: source.rig.state.gates["pilot-good"].open)
        assert source.rig.state.gates["pilot-good"].override == "seen by eye"
    await source.rig.kill()


async def test_what_is_off_is_dimmed_and_says_why() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("2")
        await shown(pilot, "gate pilot-good is closed")
        await pilot.press("n")
        await shown(pilot, "next: copy: gate pilot-good is closed")
        assert not source.sent
        await pilot.press("question_mark")
        await shown(pilot, "off: copy: gate pilot-good is closed")
    await source.rig.kill()


async def test_help_names_every_action_with_its_key() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(160, 60)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("question_mark")
        await pilot.pause(0.15)
        text = app_of(pilot).canvas.text()
        for action in ACTIONS:
            assert f"  {key_word(action):<6} {action.help}" in text
    await source.rig.kill()


def test_keys_and_ids_are_unique() -> None:
    assert len({action.key for action in ACTIONS}) == len(ACTIONS)
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


def test_every_key_is_what_a_terminal_s_letter_becomes() -> None:
    """`!` arrives as `exclamation_mark`: a key by another name would never be heard."""
    from textual._xterm_parser import XTermParser

    for action in ACTIONS:
        letter = " " if action.key == "space" else key_word(action)
        assert [event.key for event in XTermParser().feed(letter) if isinstance(event, Key)] == [action.key]


async def test_the_palette_holds_the_same_actions() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        app = app_of(pilot)
        commands = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert set(commands) == {action.label for action in ACTIONS}
        assert commands["undo"].startswith("off: ")
    await source.rig.kill()


async def test_a_watcher_has_nothing_to_act_with() -> None:
    source = await started(drive=False)
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "READ-ONLY")
        for key in ("n", "N", "b", "u", "s", "p", "g", "a", "exclamation_mark", "m", "c", "v", "r", "w"):
            await pilot.press(key)
        await shown(pilot, "this screen only watches")
        assert not source.sent
        await pilot.press("d")
        await shown(pilot, "no vantage has answered yet")
    await source.rig.kill()


async def test_a_skip_and_a_note_need_their_words() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, Ask)
        await pilot.press(*"copied by hand", "enter")
        await until(pilot, lambda: states(source, "s0")[0] == "skipped")
        await pilot.press("m", *"all quiet", "enter")
        await until(pilot, lambda: bool(source.rig.state.notes))
        assert source.rig.state.notes[-1].text == "all quiet"
        await pilot.press("M")
        await shown(pilot, "all quiet")
    await source.rig.kill()


async def test_abort_wants_the_name_and_takes_back_to_the_safe_point() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("b")
        await until(pilot, lambda: rules.complete(app_of(pilot).state, "s0"))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"s0", "enter")
        await until(pilot, lambda: states(source, "s0")[1:] == ["undone"] * 4)
        assert states(source, "s0")[0] == "done"
    await source.rig.kill()


async def test_pause_starts_nothing_new_and_the_same_key_goes_on() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("p")
        await shown(pilot, "PAUSED")
        await pilot.press("n")
        await pilot.pause(0.1)
        assert states(source, "s0")[0] == "blocked"
        await pilot.press("p")
        await until(pilot, lambda: not app_of(pilot).state.paused)
        await pilot.press("n")
        await until(pilot, lambda: states(source, "s0")[0] == "done")
    await source.rig.kill()


async def test_a_filter_hides_what_misses_and_says_so() -> None:
    source = await started(services=4)
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, " 4 s3")
        await pilot.press("slash", *"s2", "enter")
        await until(pilot, lambda: " 1 s0" not in app_of(pilot).canvas.text())
        await shown(pilot, "filter 's2'")
        await pilot.press("escape")
        await shown(pilot, " 1 s0")
    await source.rig.kill()


async def test_every_page_opens_and_escape_comes_back() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(80, 24)) as pilot:
        await shown(pilot, "ready: copy")
        for key, page in (
            ("l", "logs"),
            ("d", "dns"),
            ("W", "world"),
            ("f", "fleet"),
            ("t", "timeline"),
            ("M", "notes"),
            ("enter", "service"),
        ):
            await pilot.press(key)
            assert app_of(pilot).view.page == page
            await pilot.press("escape")
            assert app_of(pilot).view.page == "board"
    await source.rig.kill()


async def test_a_key_puts_the_lines_of_old_and_new_in_one_order_by_time_and_back(recording: Path) -> None:
    player = Player(list(records(recording)), at=400, playing=False)
    async with CockpitApp(player).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app_of(pilot).state.seq >= 400)
        await pilot.press("l", "o")
        await shown(pilot, "old and new by time")
        times = [
            match[1] for match in re.finditer(r"^[! ] (\d\d:\d\d:\d\d\.\d) [ON] ", app_of(pilot).canvas.text(), re.M)
        ]
        assert len(times) > 3
        assert times == sorted(times)
        await pilot.press("o")
        await until(pilot, lambda: "old and new by time" not in app_of(pilot).canvas.text())


async def test_the_exact_command_is_shown_before_it_runs() -> None:
    from msgspec.structs import replace

    from cockpit.plan.model import Shell
    from tests.engine.world import Rig, small_plan

    plan = small_plan(1)
    service = plan.services[0]
    shell = Shell(host="old", apply="touch 'maintenance flag'", params={"site": "x; rm -rf /"})
    steps = (replace(service.steps[0], action=shell), *service.steps[1:])
    rig = Rig(replace(plan, services=(replace(service, steps=steps),), gates=()))
    await rig.start()
    async with CockpitApp(RigSource(rig)).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("enter")
        await shown(pilot, "touch 'maintenance flag'")
        await shown(pilot, "site='x; rm -rf /'")
        assert rig.state.step("s0/copy").state == "blocked"
    await rig.kill()


async def test_a_fault_of_the_screen_ends_it_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    source = await started()
    app = CockpitApp(source)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        monkeypatch.setattr(app.canvas, "show", broken)
        await pilot.press("d")
        await until(pilot, lambda: bool(app.farewell))
    assert app.farewell.startswith("cockpit: the screen failed (ZeroDivisionError: a fault of ours). The run goes on")
    assert app.return_code == 70
    await source.rig.kill()


async def test_the_bell_rings_for_a_failure_and_for_a_gate_alone() -> None:
    source = await started()
    heard: list[str] = []
    source.rig.world.failing["s0/freeze", "verify"] = "no"
    await source.rig.submit(it.RunToGate(service="s0"))
    await source.rig.settle()
    from cockpit.reduce import reduce
    from cockpit.state import RunState

    state = RunState()
    for record in source.rig.journal.records():
        state = reduce(state, record)
        if rings(state, record):
            assert isinstance(record.event, StepMoved)
            heard.append(f"{record.event.ref} {record.event.state}")
    assert heard == ["s0/freeze unverified"]
    await source.rig.submit(it.RunToGate(service="s1"))
    await source.rig.settle()
    await source.rig.kill()
