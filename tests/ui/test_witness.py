"""What was on the screen when it counted is told to the conductor: what a person saw, with the dialog and what they typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import Record, StepMoved
from cockpit.picture.ink import Picture, text_of
from cockpit.picture.seen import Seen
from cockpit.replay.player import Player
from cockpit.ui import news
from cockpit.ui.app import CockpitApp
from cockpit.ui.dialogs import Ask, Choose
from tests.engine.world import Rig, small_plan
from tests.ui.seat import RigSource, started
from tests.ui.test_keys import app_of, shown, until


def text(seen: Seen) -> str:
    return text_of(Picture(seen.width, seen.height, seen.lines))


def of(kept: Sequence[Seen], name: str) -> list[Seen]:
    return [seen for seen in kept if seen.of == name]


async def typed(pilot: Pilot[None], words: str) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
    await pilot.press(*words, "enter")


async def test_a_gate_is_kept_with_its_dialog_its_evidence_and_what_was_typed_before_it_is_asked_for() -> None:
    source = await started()
    sent_when: list[int] = []
    keep = source.saw
    source.saw = lambda screen: (sent_when.append(len(source.sent)), keep(screen))[1]  # type: ignore[method-assign]
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("g")
        await typed(pilot, "seen")  # The evidence is missing: an override needs a reason.
        await typed(pilot, "pilot-good")
        await until(pilot, lambda: source.rig.state.gates["pilot-good"].open)
        seen = of(source.kept, "open-gate pilot-good")[0]
        told = text(seen)
        assert 'Open gate "pilot-good"' in told
        assert "pilot-good" in [field.typed for field in seen.fields]
        assert "It does not hold: " in " ".join(told.split())
        assert "next: copy" in told or "copy" in told, "the screen behind the dialog is there, too"
        assert (seen.why, seen.width, seen.height, seen.page, len(seen.lines)) == ("confirmed", 120, 40, "board", 40)
        assert 0 < seen.shown <= source.rig.state.seq
        assert isinstance(source.sent[sent_when[0]], it.OpenGate), "it is told before the intent"
    await source.rig.kill()


async def test_a_dialog_that_is_left_keeps_nothing_and_is_not_taken_for_a_later_one() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("g")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("escape")
        await pilot.press("n")
        await until(pilot, lambda: source.rig.state.step("s0/copy").state == "done")
        assert source.kept == []
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: bool(source.kept))
        assert [seen.of for seen in source.kept] == ["undo s0"]
        assert "Undo s0/copy?" in text(source.kept[0])
    await source.rig.kill()


async def test_what_was_answered_to_something_else_is_not_taken_for_a_confirmation() -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("slash")
        await typed(pilot, "s0")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Ask))
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: bool(of(source.kept, "panic")))
        assert "Filter" not in text(of(source.kept, "panic")[0])
    await source.rig.kill()


async def test_a_failure_is_kept_once_it_is_painted() -> None:
    rig = Rig(small_plan(1))
    rig.world.failing["s0/copy", "apply"] = "failed"
    await rig.start()
    source = RigSource(rig)
    async with CockpitApp(source).run_test(size=(100, 30)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("n")
        await until(pilot, lambda: bool(of(source.kept, "s0/copy")))
        seen = of(source.kept, "s0/copy")[0]
        assert seen.why == "failed"
        assert "failed" in text(seen)
        assert text(seen).splitlines()[0].rstrip() == app_of(pilot).canvas.text().splitlines()[0].rstrip()
    await rig.kill()


async def test_a_point_of_no_return_is_kept_when_it_is_asked_for_and_when_it_begins() -> None:
    source = await started(1)
    async with CockpitApp(source).run_test(size=(100, 30)) as pilot:
        await shown(pilot, "ready: copy")
        for ref in ("s0/copy", "s0/freeze", "s0/sync", "s0/switch"):
            await until(pilot, lambda ref=ref: rules.next_ref(app_of(pilot).state, "s0") == ref)  # type: ignore[misc]
            await pilot.press("n")
            await until(pilot, lambda ref=ref: source.rig.state.step(ref).state == "done")  # type: ignore[misc]
        await until(pilot, lambda: len(source.kept) == 2)
        assert [(seen.why, seen.of) for seen in source.kept] == [
            ("confirmed", "next s0/switch"),
            ("no return", "s0/switch"),
        ]
    await source.rig.kill()


async def test_a_replay_and_a_screen_that_watches_tell_of_no_failure(recording: Path) -> None:
    player = Player.of(recording, speed=64.0)
    told: list[Seen] = []
    player.saw = told.append  # type: ignore[method-assign]
    async with CockpitApp(player).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app_of(pilot).state.seq > 400)
    assert told == []
    rig = Rig(small_plan(1))
    rig.world.failing["s0/copy", "apply"] = "failed"
    await rig.start()
    source = RigSource(rig, drive=False)
    async with CockpitApp(source).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app_of(pilot).state.plan is not None)
        await rig.submit(it.RunNext(service="s0"))
        await until(pilot, lambda: app_of(pilot).state.step("s0/copy").state == "failed")
        await pilot.pause(0.3)
    assert source.kept == []
    await rig.kill()


async def test_what_rings_is_kept_and_history_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    source = await started()
    async with CockpitApp(source).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        app, rung = app_of(pilot), []
        app.bell = lambda: rung.append("bell")  # type: ignore[method-assign]

        def told(age: float) -> tuple[int, int]:
            """How often a failure of that age has rung, and how often it is kept."""
            rung.clear()
            app.witness._due.clear()
            failed = StepMoved(ref="s0/copy", attempt=1, state="failed")
            record = Record(seq=99, utc=source.now() - age, mono=0.0, actor="engine", event=failed)
            app._ring(record)
            app.witness.heard(app, record)
            return len(rung), len(app.witness._due)

        assert told(1.5) == (1, 1)
        assert told(2.5) == (0, 0)
        monkeypatch.setattr(news, "NEWS", 60.0)
        assert told(50) == (1, 1)
        app.witness._due.clear()
    await source.rig.kill()
