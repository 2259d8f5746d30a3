"""A gate that two people open: what a yes is for, whose it may be, and when the question is over."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.engine import second
from cockpit.events import (
    AccessGiven,
    Attached,
    GateOpened,
    IntentRefused,
    PeopleSeen,
    Person,
    RunHeld,
    SecondOver,
    WheelLost,
    WheelTaken,
    Who,
    WriterSeen,
)
from cockpit.plan.model import Gate
from tests.engine.world import Rig, run_all, small_plan

ANN = Who(screen=0, name="ann", account="ann", uid=1001)
BOB = Who(screen=2, name="bob", account="bob", uid=1002, guest=True)


@dataclass
class Night:
    """A run whose first service is over, so that its gate may open."""

    rig: Rig

    @property
    def gate(self) -> Gate:
        found = second.gate_of(self.rig.state, "pilot-good")
        assert found is not None
        return found

    async def green(self) -> None:
        await self.rig.ledger.write(WriterSeen(service="s0", writer="new"), "probe")

    async def asked(self, who: Who = ANN) -> None:
        """The opener asks, on fresh evidence."""
        await self.green()
        refusal = await self.rig.engine.submit(it.OpenGate(gate="pilot-good", typed="pilot-good"), who.words, who)
        assert refusal == ""
        assert self.rig.state.gates["pilot-good"].asked is not None
        assert not self.rig.state.gates["pilot-good"].open

    def yes(self, **other: object) -> it.Confirm:
        """What the second person's screen sends for what it shows."""
        state = self.rig.state
        asked, plan = state.gates["pilot-good"].asked, state.plan
        assert asked is not None
        assert plan is not None
        said = it.Confirm(
            gate="pilot-good",
            typed="pilot-good",
            run=state.run,
            plan=asked.plan,
            asked=asked.seq,
            digest=asked.digest,
        )
        return replace(said, **other)

    async def confirm(self, who: Who = BOB, intent: it.Confirm | None = None) -> str:
        return await self.rig.engine.submit(intent or self.yes(), who.words, who)

    @property
    def opened(self) -> list[GateOpened]:
        return [r.event for r in self.rig.journal.records() if isinstance(r.event, GateOpened)]

    @property
    def overs(self) -> list[str]:
        return [r.event.reason for r in self.rig.journal.records() if isinstance(r.event, SecondOver)]


async def night(second_by: tuple[str, ...] = (), may: str = "confirm") -> Night:
    plan = small_plan()
    gate = replace(plan.gates[0], second=True, second_by=second_by)
    rig = Rig(replace(plan, gates=(gate,)))
    await rig.start(driver="ann")
    await rig.ledger.write(AccessGiven(account="bob", uid=1002, may=may), "ann")  # type: ignore[arg-type]
    await run_all(rig)
    return Night(rig)


async def test_the_gate_stays_closed_until_another_account_confirms_it() -> None:
    here = await night()
    await here.asked()
    assert "gate pilot-good is closed" in (await here.rig.submit(it.RunStep(ref="s1/copy")) or "")
    again = await here.rig.engine.submit(it.OpenGate(gate="pilot-good", typed="pilot-good"), "ann", ANN)
    assert again == "gate pilot-good waits for its second person already"
    digest = here.yes().digest
    assert await here.confirm() == ""
    [opened] = here.opened
    assert (opened.by, opened.second, opened.confirmed.uid, opened.digest) == ("ann", "bob", 1002, digest)
    assert not opened.alone
    assert here.rig.state.gates["pilot-good"].second == "bob"
    assert await here.rig.submit(it.RunStep(ref="s1/copy")) == ""
    await here.rig.kill()


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (replace(ANN, name="bob"), "asked for it: the second person confirms from another Unix account"),
        (replace(ANN, screen=7, by="bob", sure="tmux 3.4 client pid 9 account bob, in-band"), "another Unix account"),
        (replace(BOB, guest=False), "another Unix account, by the door"),
        (replace(BOB, login="ann"), "this bob had logged in as ann, who asked for it: that is the same person"),
        (Who(screen=3, name="eve", account="eve", uid=1003, guest=True), "eve may look and hold, and not confirm"),
    ],
)
async def test_who_asked_cannot_confirm_under_another_name_nor_can_a_stranger(who: Who, why: str) -> None:
    here = await night()
    await here.asked()
    assert why in await here.confirm(who)
    refused = [r.event for r in here.rig.journal.records() if isinstance(r.event, IntentRefused)]
    assert why in refused[-1].reason
    assert refused[-1].who == who
    assert here.opened == []
    await here.rig.kill()


async def test_who_pressed_the_key_at_the_opener_s_shared_screen_cannot_confirm() -> None:
    here = await night()
    await here.asked(replace(ANN, by="bob", sure="tmux 3.4 client pid 9 account bob, in-band"))
    assert await here.confirm() == "bob pressed the key at ann's screen: that is the first person"
    await here.rig.kill()


@pytest.mark.parametrize(
    ("readonly", "sure", "taken"), [(False, "", False), (True, "", True), (False, "in-band", True)]
)
async def test_who_may_have_pressed_it_there_cannot_confirm(readonly: bool, sure: str, taken: bool) -> None:
    here = await night()
    people = (Person(name="ann", account="ann"), Person(name="bob", account="bob", readonly=readonly))
    shared = Attached(screen=0, name="ann", role="drives", people=people)
    await here.rig.ledger.write(PeopleSeen(screens=(shared,)), "conductor")
    await here.asked(replace(ANN, by="ann", sure="tmux 3.4, in-band") if sure else ANN)
    refusal = await here.confirm()
    assert (refusal == "") == taken
    assert taken or refusal == "bob can type at ann's screen, and nothing proves who asked for it there"
    await here.rig.kill()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"run": "another"}, "that was about the run another"),
        ({"plan": "f" * 64}, "another version of the plan"),
        ({"asked": 3}, "an earlier question"),
        ({"digest": "0" * 16}, "other evidence"),
        ({"typed": "y"}, "type pilot-good to confirm it"),
    ],
)
async def test_a_yes_is_for_what_was_shown_and_nothing_else(other: dict[str, object], why: str) -> None:
    here = await night()
    await here.asked()
    assert why in await here.confirm(intent=here.yes(**other))
    assert here.opened == []
    await here.rig.kill()


async def test_only_the_accounts_that_the_plan_names_confirm() -> None:
    here = await night(("carl", "dora"))
    await here.asked()
    assert await here.confirm() == "gate pilot-good is confirmed by carl or dora, not by bob"
    await here.rig.kill()


async def test_an_account_that_only_watches_does_not_confirm() -> None:
    here = await night(may="watch")
    await here.asked()
    assert "bob may look and hold, and not confirm" in await here.confirm()
    await here.rig.kill()


async def test_the_question_expires_after_a_minute() -> None:
    here = await night()
    await here.asked()
    late = here.yes()
    for seconds in (20, 20, second.STANDS - 41):
        here.rig.clock.now += seconds
        await here.green()
    assert here.rig.state.gates["pilot-good"].asked is not None
    here.rig.clock.now += 1
    assert "nobody confirmed it within 60 s" in await here.confirm(intent=late)
    await here.green()
    await here.rig.settle()
    assert here.overs == ["nobody confirmed it within 60 s"]
    assert "asks nobody now: nobody confirmed it within 60 s" in await here.confirm(intent=late)
    assert here.opened == []
    await here.rig.kill()


async def test_evidence_that_turns_red_ends_the_question() -> None:
    here = await night()
    await here.asked()
    late = here.yes()
    await here.rig.ledger.write(WriterSeen(service="s0", writer="old"), "probe")
    await here.rig.settle()
    assert here.overs == ["the evidence does not hold any more: s0: the writer is old, not new"]
    await here.green()
    assert await here.confirm(intent=late) != ""
    assert here.opened == []
    await here.rig.kill()


async def test_a_step_that_was_taken_back_and_done_again_is_other_evidence() -> None:
    here = await night()
    await here.green()
    before = second.digest(here.rig.state, here.gate, second.evidence(here.rig.state, here.gate, here.rig.clock.utc()))
    assert await here.rig.submit(it.Undo(service="s0", typed="s0")) == ""
    await here.rig.settle()
    await run_all(here.rig)
    await here.green()
    after = second.digest(here.rig.state, here.gate, second.evidence(here.rig.state, here.gate, here.rig.clock.utc()))
    assert before != after
    await here.rig.kill()


@pytest.mark.parametrize("how", ["lost", "handed over"])
async def test_an_opener_who_drives_no_more_has_asked_for_nothing(how: str) -> None:
    here = await night()
    await here.asked()
    event = WheelLost(driver="ann") if how == "lost" else WheelTaken(driver="carl", screen=5)
    await here.rig.ledger.write(event, "conductor")
    await here.rig.settle()
    assert here.overs == ["ann, who asked, does not drive any more"]
    await here.rig.kill()


async def test_the_second_person_says_no_with_a_reason() -> None:
    here = await night()
    await here.asked()
    assert "needs a reason" in await here.rig.engine.submit(it.Decline(gate="pilot-good", reason=" "), "bob", BOB)
    assert "another Unix account" in await here.rig.engine.submit(it.Decline(gate="pilot-good", reason="x"), "ann", ANN)
    assert await here.rig.engine.submit(it.Decline(gate="pilot-good", reason="mail is late"), "bob", BOB) == ""
    assert here.overs == ["bob says no: mail is late"]
    assert here.rig.state.gates["pilot-good"].asked is None
    await here.rig.kill()


async def test_the_opener_takes_the_question_back() -> None:
    here = await night()
    await here.asked()
    assert await here.rig.submit(it.CloseGate(gate="pilot-good")) == ""
    assert here.overs == ["taken back by tom"]
    await here.rig.kill()


async def test_break_glass_opens_it_alone_with_its_reason() -> None:
    here = await night()
    await here.asked()
    glass = it.OpenGate(gate="pilot-good", typed="pilot-good", override="bob is on a train")
    assert await here.rig.engine.submit(glass, "ann", ANN) == ""
    [opened] = here.opened
    assert (opened.alone, opened.override, opened.second) == (True, "bob is on a train", "")
    assert here.rig.state.gates["pilot-good"].alone
    assert here.rig.state.timeline[-1].word == "break-glass"
    await here.rig.kill()


async def test_a_held_run_opens_no_gate() -> None:
    here = await night()
    await here.asked()
    await here.rig.ledger.write(RunHeld(by="carl", reason="disk", who=Who(name="carl")), "carl")
    assert await here.confirm() == "carl holds: disk"
    await here.rig.kill()


async def test_a_resumed_run_asks_anew() -> None:
    here = await night()
    await here.asked()
    late = here.yes()
    await here.rig.kill()
    await here.rig.start(driver="ann")
    await here.green()
    assert here.rig.state.gates["pilot-good"].asked is None
    assert await here.confirm(intent=late) == "gate pilot-good asks nobody now"
    await here.rig.kill()
