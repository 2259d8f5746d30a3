"""What a person is asked, on the screen: the answers that the plan allows, and a text to hand over."""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace
from textual.events import Key
from textual.widgets import Input

from cockpit.events import Asked
from cockpit.pairing.marks import Hand
from cockpit.plan.model import Manual
from cockpit.ui import looking
from cockpit.ui.app import CockpitApp
from cockpit.ui.asking import Question
from cockpit.ui.dialogs import Ask, Choose
from cockpit.ui.hand import put
from cockpit.ui.pair import Pair
from tests.engine.world import Rig, small_plan
from tests.ui.seat import RigSource, started
from tests.ui.test_keys import app_of, shown, until

CHECK = Manual(
    owner="Ann",
    message="Log in and look.",
    question="Is it well?",
    answers=("all well", "slow", "broken"),
    good=("all well", "slow"),
    paste="Dear Ann,\nplease look.",
)


async def test_a_named_person_s_answer_is_chosen_from_the_plan_s() -> None:
    """S39: a named person checks, and what they said is on the screen."""
    plan = small_plan(1)
    service = plan.services[0]
    steps = (replace(service.steps[0], kind="manual", action=CHECK), *service.steps[1:])
    rig = Rig(replace(plan, services=(replace(service, steps=steps),), gates=()))
    rig.world.failing[("s0/copy", "apply")] = "waits"
    await rig.start()
    async with CockpitApp(RigSource(rig)).run_test(size=(120, 40)) as pilot:
        await shown(pilot, "ready: copy")
        await pilot.press("n")
        await until(pilot, lambda: app_of(pilot).state.step("s0/copy").state == "waiting")
        await pilot.press("enter")
        await shown(pilot, "Is it well? (all well / slow / broken)")
        assert looking._copied(app_of(pilot)) == "Dear Ann,\nplease look."
        rig.world.holds.add("s0/copy")
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose) and bool(pilot.app.screen.query("#answer-1")))
        await pilot.click("#answer-1")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask) and bool(pilot.app.screen.query("#ok")))
        await pilot.press(*"two seconds", "enter")
        await until(pilot, lambda: rig.state.step("s0/copy").state == "done")
        assert "Ann answered: slow: two seconds" in str(rig.journal.lines)
    await rig.kill()


class Shared:
    """A shared session as the screen knows it: whose hand a key comes from, and what is not taken."""

    refusal = ""

    def name(self, hand: Hand | None) -> tuple[str, str]:
        return ("bob", "tmux 3.4 client pid 7 account bob, in-band") if hand is not None else ("", "no mark")

    def refuses(self, hand: Hand | None) -> str:
        return self.refusal

    def changed(self) -> None:
        pass


async def test_an_answer_at_a_shared_screen_carries_who_pressed_enter_and_one_without_a_mark_can_be_refused() -> None:
    source = await started()
    app, pair = CockpitApp(source), Shared()
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, "ready: copy")
        app.pair = cast(Pair, pair)
        await source.rig.ledger.write(
            Asked(name="key", question="Is it right?", secret=False, exact="yes"), "conductor"
        )
        await until(
            pilot,
            lambda: isinstance(app.screen, Question) and any(field.has_focus for field in app.screen.query(Input)),
        )
        await pilot.press(*"yes")
        enter = Key("enter", None)
        put(enter, Hand(client=7, uid=1001))
        app.post_message(enter)
        await until(pilot, lambda: bool(source.told))
        assert source.told == [("key", "yes", *pair.name(Hand(client=7, uid=1001)))]
        pair.refusal = "it did not come from a terminal of this session"
        await until(
            pilot,
            lambda: isinstance(app.screen, Question) and any(field.has_focus for field in app.screen.query(Input)),
        )
        await pilot.press(*"yes", "enter")
        await until(pilot, lambda: isinstance(app.screen, Question) and pair.refusal in app.screen._why)
        assert len(source.told) == 1
    await source.rig.kill()
