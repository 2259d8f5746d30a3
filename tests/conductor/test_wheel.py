"""Who drives and who may look: the wheel handed over, holds, who is there, and a headless run that gives way."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.conductor import headless, roster
from cockpit.conductor.headless import Headless, Orders
from cockpit.engine.ledger import JournalBroken
from cockpit.events import (
    AccessGiven,
    Event,
    IntentTaken,
    PeopleSeen,
    Person,
    Record,
    RunHeld,
    SecondAsked,
    WheelLost,
    WheelSettled,
    WheelTaken,
    Who,
    WriterSeen,
)
from tests.conductor.seats import Ahead, Run, conducted, screen
from tests.engine.world import small_plan


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest_asyncio.fixture
async def run(tmp_path: Path, clock: Ahead) -> AsyncIterator[Run]:
    async with conducted(tmp_path, clock=clock) as made:
        yield made


def drivers(run: Run) -> list[tuple[str, str]]:
    return [(r.event.driver, r.event.how) for r in run.events(WheelTaken) if isinstance(r.event, WheelTaken)]


async def until(run: Run, holds: object) -> None:
    async with asyncio.timeout(10):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_the_wheel_is_offered_and_accepted_without_being_lost(run: Run) -> None:
    async with screen(run, "ann") as ann, screen(run, "bob") as bob, screen(run, "carl") as carl:
        assert await bob.source.send(it.OfferWheel()) == "you do not drive: there is nothing to offer"
        assert await ann.source.send(it.OfferWheel(to=bob.source.screen)) is None
        await carl.until(lambda: carl.state.offer is not None)
        assert await carl.source.send(it.AcceptWheel()) == "the wheel is offered to bob"
        assert await bob.source.send(it.AcceptWheel()) is None
        await ann.until(lambda: ann.state.driver == "bob")
        assert (ann.source.drives, bob.source.drives, carl.source.drives) == (False, True, False)
        assert await ann.source.send(it.RunNext()) == "bob drives; you watch"
        assert await bob.source.send(it.RunNext()) is None
    assert drivers(run) == [("ann", ""), ("bob", "offered by ann")]


async def test_what_goes_on_by_itself_goes_on_when_the_wheel_is_handed_over(run: Run) -> None:
    async with screen(run, "ann") as ann, screen(run, "bob") as bob:
        assert await ann.source.send(it.Hold(reason="wait for bob")) is None
        assert await ann.source.send(it.RunToGate(service="s0")) == "ann holds: wait for bob"
        hold = run.ledger.state.holds[0].seq
        assert await ann.source.send(it.Release(hold=hold, typed="ann")) is None
        assert await ann.source.send(it.RunToGate(service="s0")) is None
        assert await ann.source.send(it.OfferWheel()) is None
        assert await bob.source.send(it.AcceptWheel()) is None
        await bob.until(lambda: bob.state.step("s0/switch").state == "done")
    assert [record for record in run.events(WheelLost) if record.seq < run.events(WheelTaken)[-1].seq] == []


@pytest.mark.parametrize("answer", ["granted", "declined", "expired", "withdrawn", "gone"])
async def test_a_request_for_the_wheel_is_answered_or_is_over(run: Run, clock: Ahead, answer: str) -> None:
    async with screen(run, "ann") as ann:
        async with screen(run, "bob") as bob:
            number = bob.source.screen
            assert await bob.source.send(it.RequestWheel()) is None
            assert await bob.source.send(it.RequestWheel()) == "you have asked already: the driver sees it"
            await ann.until(lambda: number in ann.state.requests)
            match answer:
                case "granted":
                    assert await bob.source.send(it.GrantWheel(to=number)) == "only the driver grants the wheel"
                    assert await ann.source.send(it.GrantWheel(to=number)) is None
                case "declined":
                    assert await ann.source.send(it.DeclineWheel(to=number)) is None
                case "expired":
                    clock.by += 61
                case "withdrawn":
                    assert await bob.source.send(it.DeclineWheel()) is None
            if answer != "gone":
                await ann.until(lambda: not ann.state.requests)
                assert ann.state.driver == ("bob" if answer == "granted" else "ann")
                assert await ann.source.send(it.GrantWheel(to=number)) is not None
        await until(run, lambda: not run.ledger.state.requests)
    settled = [record.event.outcome for record in run.events(WheelSettled) if isinstance(record.event, WheelSettled)]
    assert settled == {"granted": [], "gone": ["withdrawn"]}.get(answer, [answer])


async def test_an_offer_that_nobody_takes_expires_and_the_driver_still_drives(run: Run, clock: Ahead) -> None:
    async with screen(run, "ann") as ann, screen(run, "bob") as bob:
        assert await ann.source.send(it.OfferWheel()) is None
        clock.by += 61
        assert await bob.source.send(it.AcceptWheel()) == "the wheel is not offered any more"
        await ann.until(lambda: ann.state.offer is None)
        assert ann.state.driver == "ann"


async def test_two_who_accept_at_once_do_not_both_drive(run: Run) -> None:
    async with screen(run, "ann") as ann, screen(run, "bob") as bob, screen(run, "carl") as carl:
        assert await ann.source.send(it.OfferWheel()) is None
        both = await asyncio.gather(bob.source.send(it.AcceptWheel()), carl.source.send(it.AcceptWheel()))
        assert sorted(refusal or "" for refusal in both) == ["", "the wheel is not offered any more"]
        await ann.until(lambda: ann.state.driver != "ann")
        assert [bob.source.drives, carl.source.drives].count(True) == 1


@pytest.mark.parametrize("intent", [it.Claim(), it.RequestWheel()])
async def test_a_wheel_that_the_journal_does_not_take_is_nobody_s(
    run: Run, monkeypatch: pytest.MonkeyPatch, intent: it.Claim | it.RequestWheel
) -> None:
    async with screen(run, "ann") as ann, screen(run, "bob") as bob:
        await ann.until(lambda: ann.source.drives)
        real = run.ledger.write
        run.server._wheel.holder = None
        await real(WheelLost(driver="ann", reason="for the test"), "conductor")

        async def full(event: Event, actor: str) -> Record:
            raise JournalBroken("the disk is full")

        monkeypatch.setattr(run.ledger, "write", full)
        assert await bob.source.send(intent) == "the disk is full"
        monkeypatch.setattr(run.ledger, "write", real)
        assert await ann.source.send(intent) is None, "it is still free"
        await bob.until(lambda: bob.state.driver == "ann")


async def test_who_only_watches_can_hold_and_the_driver_alone_releases(run: Run) -> None:
    async with screen(run, "ann") as ann, screen(run, "eve", token="") as eve:
        assert await ann.source.send(it.RunNext(service="s0")) is None
        await ann.until(lambda: ann.state.step("s0/copy").state == "done" and not run.engine.busy)
        assert await ann.source.send(it.RunToGate(service="s0")) is None
        assert "reason" in (await eve.source.send(it.Hold(reason="")) or "")
        assert await eve.source.send(it.Hold(reason="old still takes mail")) is None
        assert await eve.source.send(it.Hold(reason="again")) == "you hold already; the driver releases it"
        await until(run, lambda: not run.engine.busy)
        before = list(run.world.order)
        assert await ann.source.send(it.RunNext(service="s1")) == "eve holds: old still takes mail"
        assert "eve holds" in (await ann.source.send(it.Undo(service="s0")) or "")
        await asyncio.sleep(0.2)
        assert run.world.order == before, "nothing new began"
        [held] = run.events(RunHeld)
        assert await eve.source.send(it.Release(hold=held.seq, typed="eve")) == "this screen only watches"
        assert "type eve to release" in (await ann.source.send(it.Release(hold=held.seq, typed="y")) or "")
        assert await ann.source.send(it.Release(hold=held.seq, typed="eve")) is None
        await ann.until(lambda: ann.state.step("s0/switch").state == "done")


async def test_a_hold_outlives_who_held_and_a_new_driver(run: Run) -> None:
    async with screen(run, "eve", token="") as eve:
        assert await eve.source.send(it.Hold(reason="wait")) is None
    async with screen(run, "ann") as ann:
        assert await ann.source.send(it.RunNext()) == "eve holds: wait"


async def test_who_pressed_the_key_stands_in_the_journal_with_how_that_is_known(run: Run) -> None:
    sure = "tmux 3.4 client pid 123 account bob, in-band"
    async with screen(run, "ann") as ann:
        assert await ann.source.send(it.AddNote(text="one"), by="bob", sure=sure) is None
        assert await ann.source.send(it.AddNote(text="two"), sure="ann or bob: two may type here") is None
        assert await ann.source.send(it.AddNote(text="three"), by="eve", sure="") is None
        assert await ann.source.send(it.AddNote(text="four")) is None
        await ann.until(lambda: len(ann.state.notes) == 4)
        assert [note.actor for note in ann.state.notes] == [
            "bob (ann's screen; by the tmux binding)",
            "ann (ann or bob: two may type here)",
            "eve (ann's screen; as that screen says)",
            "ann",
        ]
    who = run.events(IntentTaken)[0].event.who  # type: ignore[union-attr]
    assert (who.by, who.sure, who.name) == ("bob", sure, "ann")
    assert who.uid >= 0


async def test_who_is_there_is_told_with_size_and_right_and_who_comes_and_goes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "SETTLE", 0.1)
    async with screen(run, "ann") as ann:
        async with screen(run, "eve", token="") as eve:
            eve.source.here(80, 24)
            ann.source.here(200, 50, (Person(name="ann", account="ann", pid=7, columns=200, rows=50),))
            await ann.until(lambda: [one.columns for one in ann.state.people] == [200, 80])
            first, second = ann.state.people
            assert (first.name, first.role, first.people[0].name) == ("ann", "drives", "ann")
            assert (second.name, second.role, second.rows) == ("eve", "observes", 24)
            assert ann.state.watchers == 1
            told = len(run.events(PeopleSeen))
            for width in range(81, 181):
                eve.source.here(width, 24)
            await ann.until(lambda: ann.state.people[1].columns == 180)
            assert len(run.events(PeopleSeen)) - told <= 3, "sizes are told when they rest"
        await ann.until(lambda: len(ann.state.people) == 1)
        said = [
            (entry.word, entry.text.partition(" ")[0]) for entry in ann.state.timeline if entry.word in {"came", "left"}
        ]
        assert said == [("came", "ann"), ("came", "eve"), ("came", "ann"), ("left", "eve")]


async def test_a_screen_s_own_words_cannot_write_to_the_terminals_of_others(run: Run) -> None:
    async with screen(run, "\x1b]0;owned\x07ann\u202e") as ann:
        await ann.until(lambda: ann.state.driver)
        ann.source.here(10**9, -5, (Person(name="\x1b[31mbob"),))
        await ann.until(lambda: ann.state.people and ann.state.people[0].people)
        assert (ann.state.driver, ann.state.people[0].people[0].name) == ("ann·", "bob")
        assert (ann.state.people[0].columns, ann.state.people[0].rows) == (10_000, 0)


# --- headless --------------------------------------------------------------------------------------------------------


async def test_a_headless_run_waits_while_it_is_held_and_gives_way_to_who_asks(tmp_path: Path, clock: Ahead) -> None:
    plan = small_plan(1)
    async with conducted(tmp_path, plan, clock, autopilot=headless.DRIVER) as run:
        async with screen(run, "eve", token="") as eve:
            assert await eve.source.send(it.Hold(reason="not yet")) is None
            orders = Orders(gates=frozenset({"all"}), settle=0.0, evidence_wait=1.0)
            driving = asyncio.create_task(Headless(run.ledger, run.engine, clock, orders).run())
            async with screen(run, "ann") as ann:
                await ann.until(lambda: ann.state.driver == headless.DRIVER)
                assert not ann.source.drives
                await asyncio.sleep(0.3)
                assert run.world.order == [], "it waits while it is held"
                assert await ann.source.send(it.RequestWheel()) is None
                await ann.until(lambda: ann.state.driver == "ann")
                assert await ann.source.send(it.Release(hold=ann.state.holds[0].seq, typed="eve")) is None
                await asyncio.sleep(0.3)
                assert run.world.order == [], "a person drives: the headless run starts nothing"
                assert await ann.source.send(it.RunNext(service="s0")) is None
                await ann.until(lambda: ann.state.step("s0/copy").state == "done")
                assert not driving.done()
                assert await ann.source.send(it.OfferWheel(to=roster.AUTOPILOT)) is None
                await run.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
                async with asyncio.timeout(20):
                    await driving
        assert run.ledger.state.ended
        assert run.ledger.state.exit == 0
    assert drivers(run) == [("headless", ""), ("ann", "headless gave way"), ("headless", "handed back by ann")]


async def test_a_headless_run_goes_on_when_the_wheel_comes_back_from_who_opened_its_gate(
    tmp_path: Path, clock: Ahead
) -> None:
    """It waits for the second person of a gate; somebody takes the wheel, opens the gate alone and hands back."""
    plan = small_plan()
    plan = replace(plan, gates=(replace(plan.gates[0], second=True, evidence=()),))
    async with conducted(tmp_path, plan, clock, autopilot=headless.DRIVER) as run, screen(run, "ann") as ann:
        orders = Orders(gates=frozenset({"all"}), settle=0.0, evidence_wait=1.0)
        driving = asyncio.create_task(Headless(run.ledger, run.engine, clock, orders).run())
        await ann.until(lambda: "pilot-good" in ann.state.gates and ann.state.gates["pilot-good"].asked is not None)
        assert await ann.source.send(it.RequestWheel()) is None
        await ann.until(lambda: ann.state.driver == "ann")
        alone = it.OpenGate(gate="pilot-good", typed="pilot-good", override="nobody comes")
        assert await ann.source.send(alone) is None
        assert await ann.source.send(it.OfferWheel(to=roster.AUTOPILOT)) is None
        async with asyncio.timeout(20):
            await driving
    assert run.ledger.state.step("s1/copy").state == "done"
    assert run.ledger.state.exit == 0


def test_a_headless_run_is_driven_by_the_account_that_the_kernel_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may say what it likes; who logged in to start it is its first person, too."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "zed")
    monkeypatch.setattr(headless, "login_of", lambda pid: {os.getpid(): "ann"}[pid])
    found = headless.who()
    assert (found.account, found.uid, found.login) == (pwd.getpwuid(os.getuid()).pw_name, os.getuid(), "ann")


async def test_a_headless_run_whose_second_person_does_not_come_keeps_its_gate_closed(
    tmp_path: Path, clock: Ahead
) -> None:
    plan = small_plan()
    plan = replace(plan, gates=(replace(plan.gates[0], second=True, evidence=()),))
    async with conducted(tmp_path, plan, clock, autopilot=headless.DRIVER) as run:
        orders = Orders(gates=frozenset({"all"}), settle=0.0, evidence_wait=1.0, second_wait=0.5)
        async with asyncio.timeout(30):
            await Headless(run.ledger, run.engine, clock, orders).run()
        assert run.ledger.state.exit == 3
        assert not run.ledger.state.gates["pilot-good"].open
        assert run.ledger.state.gates["pilot-good"].asked is None


async def test_a_headless_run_takes_the_second_person_s_no_and_does_not_ask_again(tmp_path: Path, clock: Ahead) -> None:
    from msgspec.structs import replace

    plan = small_plan()
    plan = replace(plan, gates=(replace(plan.gates[0], second=True, evidence=()),))
    bob = Who(screen=2, name="bob", account="bob", uid=os.getuid() + 1, guest=True)
    async with conducted(tmp_path, plan, clock, autopilot=headless.DRIVER) as run:
        await run.ledger.write(AccessGiven(account="bob", uid=bob.uid, may="confirm"), "ann")
        orders = Orders(gates=frozenset({"all"}), settle=0.0, evidence_wait=1.0, second_wait=900.0)
        driving = asyncio.create_task(Headless(run.ledger, run.engine, clock, orders).run())
        async with asyncio.timeout(30):
            while run.ledger.state.gates["pilot-good"].asked is None:
                await asyncio.sleep(0.01)
            # A no without a reason is none, and the question stands.
            assert "needs a reason" in await run.engine.submit(it.Decline(gate="pilot-good", reason=""), "bob", bob)
            assert run.ledger.state.gates["pilot-good"].asked is not None
            assert await run.engine.submit(it.Decline(gate="pilot-good", reason="mail is late"), "bob", bob) == ""
            await driving
        gate = run.ledger.state.gates["pilot-good"]
        assert (run.ledger.state.exit, gate.open, gate.asked) == (3, False, None)
        assert gate.reason == "bob says no: mail is late"
        assert not [ref for op, ref in run.world.order if ref.startswith("s1/")], "nothing behind the gate began"
    assert len(run.events(SecondAsked)) == 1
