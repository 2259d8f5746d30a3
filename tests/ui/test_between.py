"""Keys between people, on real screens of one run: the wheel handed over, a hold, and a gate that two people open."""

from __future__ import annotations

import asyncio
import pwd
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Static

from cockpit import intents as it
from cockpit.conductor import roster, server
from cockpit.conductor.client import LiveSource
from cockpit.events import SecondOver, WriterSeen
from cockpit.ui.app import CockpitApp
from tests.conductor.seats import TOKEN, Run, conducted
from tests.engine.world import small_plan


@asynccontextmanager
async def seat(run: Run, name: str, token: str = TOKEN, path: Path | None = None) -> AsyncIterator[Pilot[None]]:
    """A screen of its own."""
    app = CockpitApp(LiveSource(path or run.socket, name, token, wait=5.0))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state.plan is not None)
        yield pilot


def app_of(pilot: Pilot[None]) -> CockpitApp:
    assert isinstance(pilot.app, CockpitApp)
    return pilot.app


def roles(pilot: Pilot[None]) -> dict[str, str]:
    """What the people page's state says of each."""
    return {one.name: one.role for one in app_of(pilot).state.people}


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await pilot.pause(0.02)


async def shown(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in app_of(pilot).canvas.text())


async def asked(pilot: Pilot[None], text: str) -> None:
    """A dialog holds that text."""

    def there() -> bool:
        found = pilot.app.screen.query("#dialog-body").results(Static)
        return any(text in str(body.content) for body in found)

    await until(pilot, there)


async def chosen(pilot: Pilot[None], button: str) -> None:
    before = pilot.app.screen
    await pilot.click(f"#{button}")
    await until(pilot, lambda: pilot.app.screen is not before)


async def typed(pilot: Pilot[None], text: str) -> None:
    before = pilot.app.screen
    await pilot.press(*("space" if sign == " " else sign for sign in text), "enter")
    await until(pilot, lambda: pilot.app.screen is not before)


async def test_the_wheel_goes_from_one_to_the_other_by_keys(tmp_path: Path) -> None:
    async with conducted(tmp_path) as run, seat(run, "ann") as ann, seat(run, "bob") as bob:
        await shown(ann, "you drive · 1 watches")
        await shown(bob, "ann drives")
        await ann.press("O")
        await asked(ann, "They drive as soon as they accept")
        await chosen(ann, f"screen{app_of(bob).seat.screen + 1}")
        await shown(bob, "ann offers the wheel to you")
        await bob.press("O")
        await shown(bob, "you drive · 1 watches")
        await shown(ann, "bob drives")
        assert roles(ann) == {"ann": "may drive", "bob": "drives"}
        await bob.press("O")
        await asked(bob, "They drive as soon as they accept")
        await bob.press("escape")
        await ann.press("R")
        await shown(bob, "ann asks for the wheel")
        await bob.press("R")
        await asked(bob, "You watch from then on")
        await chosen(bob, "no")
        await shown(ann, "was declined by bob")
        await ann.press("R")
        await shown(bob, "R answers")
        await bob.press("R")
        await asked(bob, "You watch from then on")
        await chosen(bob, "grant")
        await shown(ann, "you drive")
        await ann.press("P")
        await shown(ann, "2 attached")
        assert roles(ann) == {"ann": "drives", "bob": "may drive"}
        assert roles(bob) == {"ann": "drives", "bob": "may drive"}
        await shown(ann, "120×40")


async def test_who_watches_holds_and_the_driver_types_their_name_to_go_on(tmp_path: Path) -> None:
    async with conducted(tmp_path) as run, seat(run, "ann") as ann, seat(run, "eve", token="") as eve:
        await eve.press("H")
        await asked(eve, "Nothing new starts from now on")
        await typed(eve, "mail still goes to old")
        await shown(ann, "HELD")
        await shown(ann, "eve: mail still goes to old")
        await ann.press("n")
        await shown(ann, "eve holds")
        assert run.world.order == []
        await ann.press("H")
        await asked(ann, "What waits starts again")
        await typed(ann, "eve")
        await until(ann, lambda: not app_of(ann).state.holds)
        await ann.press("n")
        await until(ann, lambda: app_of(ann).state.step("s0/copy").state == "done")
        await eve.press("n")
        await shown(eve, "this screen only watches")


async def test_the_second_person_sees_what_they_confirm_and_types_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = roster.peer_of, pwd.getpwnam("nobody").pw_uid

    def peer_of(writer: asyncio.StreamWriter) -> roster.Peer:
        # Another account in this process: who comes by the door.
        found = real(writer)
        return (
            replace(found, uid=other, account="nobody")
            if "cockpit-door-" in str(writer.get_extra_info("sockname"))
            else found
        )

    monkeypatch.setattr(server, "peer_of", peer_of)
    monkeypatch.setenv("COCKPIT_DOORS", str(tmp_path))
    plan = small_plan()
    plan = replace(plan, gates=(replace(plan.gates[0], second=True),))
    async with conducted(tmp_path, plan) as run, seat(run, "ann") as ann:
        source = app_of(ann).source
        assert await source.send(it.GiveAccess(account="nobody")) is None
        await until(ann, lambda: app_of(ann).state.door)
        door = Path(app_of(ann).state.door)
        assert door.parent.stat().st_mode & 0o007 == 0
        assert await source.send(it.RunToGate(service="s0")) is None
        await until(ann, lambda: app_of(ann).state.step("s0/check").state == "done")
        async with seat(run, "whoever", "", door) as second:
            await run.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
            await shown(second, "READ-ONLY")
            await ann.press("g")
            await asked(ann, "A second person confirms it from another account")
            await asked(ann, "s0: writer new holds, at most 30 s old")
            await typed(ann, "pilot-good")
            await shown(ann, "gate pilot-good waits for its second person")
            await ann.press("C")
            await shown(ann, "the second person confirms from another account")
            await second.press("C")
            await asked(second, "ann asks to open gate pilot-good")
            await asked(second, "evidence: s0: writer new holds")
            await asked(second, f"SHA-256 {plan.hash[:16]}")
            await chosen(second, "no")
            await asked(second, "Why?")
            await typed(second, "wait")
            await until(ann, lambda: app_of(ann).state.gates["pilot-good"].asked is None)
            assert [r.event.reason for r in run.events(SecondOver) if isinstance(r.event, SecondOver)] == [
                "nobody says no: wait"
            ]
            await run.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
            assert await source.send(it.OpenGate(gate="pilot-good", typed="pilot-good")) is None
            await shown(second, "C shows it")
            await second.press("C")
            await asked(second, "ann asks to open gate pilot-good")
            await chosen(second, "yes")
            await asked(second, "evidence: s0: writer new holds")
            await typed(second, "pilot-good")
            await until(ann, lambda: app_of(ann).state.gates["pilot-good"].open)
            assert app_of(ann).state.gates["pilot-good"].second == "nobody"
            await ann.press("P")
            await shown(ann, "confirmed by nobody")


async def test_break_glass_is_said_on_every_screen(tmp_path: Path) -> None:
    plan = small_plan()
    plan = replace(plan, gates=(replace(plan.gates[0], second=True),))
    async with conducted(tmp_path, plan) as run, seat(run, "ann") as ann, seat(run, "eve", token="") as eve:
        await ann.press("g")
        await asked(ann, "It is opened without the second person then")
        await typed(ann, "alone tonight")
        await asked(ann, "Go, or no go?")
        await typed(ann, "pilot-good")
        await shown(eve, "pilot-good opened alone")
        await eve.press("P")
        await shown(eve, "without its second person: alone tonight")
